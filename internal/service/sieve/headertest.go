package sieve

import "strings"

// headerTest is "header". RFC 5228 §5.7.
type headerTest struct {
	from *source
	keys *matcher
}

func (c *compiler) headerTest(a *args) test {
	t := &headerTest{from: c.source(a, c.argList(a, 0)), keys: c.matcher(a, c.argList(a, 1))}
	if t.keys == nil {
		return nil
	}
	return t
}

func (t *headerTest) eval(m *machine) (bool, error) {
	count := 0
	yes, err := m.walk(t.from, func(f *field) (bool, error) {
		return m.optionValues(t.from, f, func(v string) (bool, error) {
			if t.keys.kind == matchCount {
				count++
				return false, nil
			}
			return m.matches(t.keys, v)
		})
	})
	if err == nil && t.keys.kind == matchCount {
		return m.count(t.keys, count)
	}
	return yes, err
}

// existsTest is "exists". RFC 5228 §5.5.
type existsTest struct{ from []*source }

func (c *compiler) existsTest(a *args) test {
	t := &existsTest{}
	for _, name := range c.argList(a, 0) {
		t.from = append(t.from, c.source(a, []value{name}))
	}
	return t
}

func (t *existsTest) eval(m *machine) (bool, error) {
	for _, s := range t.from {
		there, err := m.walk(s, func(*field) (bool, error) { return true, nil })
		if err != nil || !there {
			return false, err
		}
	}
	return true, nil
}

// sizeTest is "size". RFC 5228 §5.9.
type sizeTest struct {
	over  bool
	limit int64
}

var sizeTags = []tag{{name: "over", value: aNumber, group: "relation"}, {name: "under", value: aNumber, group: "relation"}}

func (c *compiler) sizeTest(a *args) test {
	name := a.oneOf("relation")
	if name == "" {
		c.fail(a.call.Pos, "the size test requires :over or :under")
		return nil
	}
	n, _ := a.tagNumber(name)
	return &sizeTest{name == "over", int64(min(n, 1<<63-1))}
}

func (t *sizeTest) eval(m *machine) (bool, error) {
	size := m.scopeSize()
	if t.over {
		return size > t.limit, nil
	}
	return size < t.limit, nil
}

// stringTest is "string". RFC 5229 §5.
type stringTest struct {
	sources []value
	keys    *matcher
}

func (c *compiler) stringTest(a *args) test {
	t := &stringTest{sources: c.argList(a, 0), keys: c.matcher(a, c.argList(a, 1))}
	if t.keys == nil {
		return nil
	}
	return t
}

func (t *stringTest) eval(m *machine) (bool, error) {
	count := 0
	for i := range t.sources {
		v := m.text(&t.sources[i])
		if t.keys.kind == matchCount { // empty strings are not counted
			if v != "" {
				count++
			}
			continue
		}
		if yes, err := m.matches(t.keys, v); yes || err != nil {
			return yes, err
		}
	}
	if t.keys.kind == matchCount {
		return m.count(t.keys, count)
	}
	return false, nil
}

// environmentTest is "environment". RFC 5183 §4.
type environmentTest struct {
	name value
	keys *matcher
}

func (c *compiler) environmentTest(a *args) test {
	t := &environmentTest{c.argText(a, 0), c.matcher(a, c.argList(a, 1))}
	if t.keys == nil {
		return nil
	}
	return t
}

func (t *environmentTest) eval(m *machine) (bool, error) {
	v, ok := m.item(m.text(&t.name))
	if t.keys.kind == matchCount {
		if !ok {
			return false, nil
		}
		return m.count(t.keys, min(len(v), 1))
	}
	if !ok {
		return false, nil
	}
	return m.matches(t.keys, strings.TrimSpace(v))
}
