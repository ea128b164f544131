package gcpemu

import (
	"encoding/base64"
	"strings"

	"google.golang.org/grpc/codes"
)

// Sizes of pages. Google says "an appropriate default".
const (
	usualPage = 100
	mostPage  = 1000
)

// listed is what every list request has.
type listed interface {
	GetParent() string
	GetPageSize() int32
	GetPageToken() string
	GetFilter() string
}

// list is one page of a list.
type list struct {
	names []string
	next  string
	total int32 // 0 where there is a filter
}

// choose cuts a page from those of all, in order, that the filter selects by their
// fields.
func (c *call) choose(in listed, all []string, fields func(name string) map[string]any) (list, error) {
	filter, err := parseFilter(in.GetFilter())
	if err != nil {
		return list{}, err
	}
	var chosen []string
	for _, name := range all {
		ok, err := selects(filter, fields(name))
		if err != nil {
			return list{}, err
		}
		if ok {
			chosen = append(chosen, name)
		}
	}
	out := list{}
	if len(filter) == 0 {
		out.total = int32(len(chosen)) //nolint:gosec // no list is that long
	}
	out.names, out.next, err = c.page(in, chosen)
	return out, err
}

// page cuts what to show from names, which are in order. A token names the list and
// the last entry shown, so entries may come and go between pages.
func (c *call) page(in listed, all []string) (names []string, next string, err error) {
	size := int(in.GetPageSize())
	switch {
	case size < 0:
		return nil, "", refuse(codes.InvalidArgument, "page_size %d is negative", size)
	case size == 0:
		size = usualPage
	}
	size = min(size, mostPage)
	if most := c.settings().PageSize; most > 0 {
		size = min(size, most)
	}
	if token := in.GetPageToken(); token != "" {
		after, err := c.readToken(token, in.GetParent())
		if err != nil {
			return nil, "", err
		}
		for len(all) > 0 && !before(after, all[0]) {
			all = all[1:]
		}
	}
	if len(all) <= size {
		return all, "", nil
	}
	return all[:size], base64.RawURLEncoding.EncodeToString([]byte(c.rpc + "|" + in.GetParent() + "|" + all[size-1])), nil
}

func (c *call) readToken(token, parent string) (after string, err error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	after, ours := strings.CutPrefix(string(text), c.rpc+"|"+parent+"|")
	if err != nil || !ours {
		return "", refuse(codes.InvalidArgument, "page_token is not one of this list")
	}
	return after, nil
}

// before is the order of lists: versions by number, all others by name.
func before(a, b string) bool {
	if strings.Contains(a, "/cryptoKeyVersions/") && len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}
