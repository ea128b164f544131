package gcpemu

import (
	"regexp"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

// condition is one comparison of a list's filter.
type condition struct{ field, op, value string }

// comparison is FIELD OP VALUE, with the value in quotes or without.
var comparison = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.-]*)\s*(!=|<=|>=|=|<|>|:)\s*("[^"]*"|[^"\s()]+)$`)

// parseFilter reads comparisons that are joined by AND. Other forms of Google's
// filters are not modelled.
func parseFilter(text string) ([]condition, error) {
	if text == "" {
		return nil, nil
	}
	var out []condition
	for part := range strings.SplitSeq(text, " AND ") {
		m := comparison.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return nil, refuse(codes.InvalidArgument, "filter %q is not FIELD OP VALUE, joined by AND", text)
		}
		out = append(out, condition{normal(m[1]), m[2], strings.Trim(m[3], `"`)})
	}
	return out, nil
}

// normal makes importJob of import_job: Google takes both. Names of labels stay.
func normal(field string) string {
	if strings.HasPrefix(field, "labels.") {
		return field
	}
	parts := strings.Split(field, "_")
	for i, p := range parts[1:] {
		if p != "" {
			parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "")
}

// selects tells whether all conditions hold of an entry's fields.
func selects(filter []condition, fields map[string]any) (bool, error) {
	for _, c := range filter {
		value, ok := fields[c.field]
		if !ok && !strings.HasPrefix(c.field, "labels.") {
			return false, refuse(codes.Unimplemented, "the emulator does not model the filter field %s", c.field)
		}
		holds, err := c.holds(value)
		if err != nil || !holds {
			return false, err
		}
	}
	return true, nil
}

func (c condition) holds(value any) (bool, error) {
	if at, isTime := value.(time.Time); isTime {
		return c.holdsTime(at)
	}
	text, _ := value.(string)
	switch c.op {
	case "=":
		return text == c.value, nil
	case "!=":
		return text != c.value, nil
	case ":":
		return strings.Contains(text, c.value), nil
	}
	return false, refuse(codes.InvalidArgument, "filter %s does not compare with %s", c.field, c.op)
}

func (c condition) holdsTime(at time.Time) (bool, error) {
	bound, err := time.Parse(time.RFC3339, c.value)
	if err != nil {
		return false, refuse(codes.InvalidArgument, "filter %s: %q is not a time", c.field, c.value)
	}
	switch d := at.Compare(bound); c.op {
	case "<":
		return d < 0, nil
	case "<=":
		return d <= 0, nil
	case ">":
		return d > 0, nil
	case ">=":
		return d >= 0, nil
	case "=":
		return d == 0, nil
	}
	return false, refuse(codes.InvalidArgument, "filter %s does not compare with %s", c.field, c.op)
}
