package azureemu

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// keyItem is a key or a version in a list (KeyItem).
type keyItem struct {
	KID        string            `json:"kid"`
	Attributes attributesOut     `json:"attributes"`
	Tags       map[string]string `json:"tags,omitempty"`
}

// listOut is one page.
type listOut[T any] struct {
	Value    []T     `json:"value"`
	NextLink *string `json:"nextLink"`
}

// listKeys lists the keys that are there, each with what its latest version has.
func listKeys(c *call) (any, error) {
	return listOf(c, c.in(active), func(name string) keyItem {
		k := c.vault.keys[name]
		return keyItem{c.kid(k.name, ""), c.attributes(k.latest()), k.latest().tags}
	})
}

// listKeyVersions lists in the order of ids, which says nothing of age.
func listKeyVersions(c *call) (any, error) {
	k, err := c.find()
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, v := range k.versions {
		ids = append(ids, v.id)
	}
	slices.Sort(ids)
	return listOf(c, ids, func(id string) keyItem {
		v := k.find(id)
		return keyItem{c.kid(k.name, id), c.attributes(v), v.tags}
	})
}

// listDeletedKeys lists keys whose soft delete is done.
func listDeletedKeys(c *call) (any, error) {
	return listOf(c, c.in(deleted), func(name string) deletedItem {
		k := c.vault.keys[name]
		return deletedItem{keyItem{c.kid(k.name, ""), c.attributes(k.latest()), k.latest().tags}, c.deletion(k)}
	})
}

// in are the names of keys at a stage.
func (c *call) in(s stage) []string {
	return slices.DeleteFunc(c.vault.names(), func(name string) bool { return c.vault.keys[name].stage != s })
}

// pageSize is maxresults' default and its most (API specification).
const pageSize = 25

// listOf cuts a page from sorted names. A token names the operation and the last
// entry shown, so entries may come and go between pages.
func listOf[T any](c *call, names []string, item func(string) T) (any, error) {
	size, err := c.pageSize()
	if err != nil {
		return nil, err
	}
	after, last, err := c.skipToken()
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name <= last })
	out := listOut[T]{Value: []T{}}
	if c.settings().EmptyPages && !after && len(names) > 0 {
		out.NextLink = c.nextLink(true, last)
		return out, nil
	}
	for _, name := range names[:min(size, len(names))] {
		out.Value = append(out.Value, item(name))
	}
	if len(names) > size {
		out.NextLink = c.nextLink(false, names[size-1])
	}
	return out, nil
}

func (c *call) pageSize() (int, error) {
	size := pageSize
	if given := c.query["maxresults"]; len(given) > 0 {
		n, err := strconv.Atoi(given[0])
		if err != nil || n < 1 || n > pageSize {
			return 0, refuse(codeBadParameter, "maxresults must be within 1..%d", pageSize)
		}
		size = n
	}
	if most := c.settings().PageSize; most > 0 {
		size = min(size, most)
	}
	return size, nil
}

// nextLink is the whole URL of the next page; after says that an empty one was
// before it.
func (c *call) nextLink(after bool, last string) *string {
	token := base64url([]byte(c.operation.name + "|" + strconv.FormatBool(after) + "|" + last))
	q := url.Values{"api-version": c.query["api-version"], "$skiptoken": {token}}
	if size := c.query["maxresults"]; len(size) > 0 {
		q["maxresults"] = size
	}
	path := strings.Replace(c.operation.path, "*", c.name, 1)
	return new(c.base() + "/" + path + "?" + q.Encode())
}

func (c *call) skipToken() (after bool, last string, err error) {
	given := c.query["$skiptoken"]
	if len(given) == 0 {
		return false, "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(given[0])
	part := strings.SplitN(string(text), "|", 3)
	if err != nil || len(part) != 3 || part[0] != c.operation.name {
		return false, "", refuse(codeBadParameter, "The $skiptoken is not one of this list")
	}
	return part[1] == "true", part[2], nil
}
