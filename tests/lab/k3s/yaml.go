package main

import (
	"fmt"
	"strconv"
	"strings"
)

// As much of YAML as files of settings need: maps and lists in blocks, lists and maps in one line, scalars. What it does
// not know it refuses.

type pair struct {
	key   string
	value any
}
type mapping []pair

func (m mapping) get(key string) any {
	for _, pair := range m {
		if pair.key == key {
			return pair.value
		}
	}
	return nil
}

type yamlLine struct {
	indent int
	text   string
	number int
}
type yamlReader struct {
	lines []yamlLine
	at    int
}

func parseYAML(text string) (any, error) {
	reader := &yamlReader{}
	for number, line := range strings.Split(text, "\n") {
		bare := strings.TrimRight(uncommented(line), " \t\r")
		trimmed := strings.TrimLeft(bare, " ")
		if trimmed == "" || trimmed == "---" {
			continue
		}
		if strings.HasPrefix(trimmed, "\t") {
			return nil, fmt.Errorf("line %d: found character that cannot start any token", number+1)
		}
		reader.lines = append(reader.lines, yamlLine{len(bare) - len(trimmed), trimmed, number + 1})
	}
	if len(reader.lines) == 0 {
		return nil, nil
	}
	value, err := reader.block(reader.lines[0].indent)
	if err == nil && reader.at < len(reader.lines) {
		err = fmt.Errorf("line %d: did not find expected key", reader.lines[reader.at].number)
	}
	return value, err
}

func uncommented(line string) string {
	quote := byte(0)
	for at := 0; at < len(line); at++ {
		switch c := line[at]; {
		case quote == '"' && c == '\\':
			at++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			if at == 0 || strings.IndexByte(" [{,:-", line[at-1]) >= 0 {
				quote = c
			}
		case c == '#' && (at == 0 || line[at-1] == ' '):
			return line[:at]
		}
	}
	return line
}

func (r *yamlReader) block(indent int) (any, error) {
	if first := r.lines[r.at]; first.text == "-" || strings.HasPrefix(first.text, "- ") {
		return r.list(indent)
	}
	if key, _, _ := cutKey(r.lines[r.at].text); key == "" {
		line := r.lines[r.at]
		r.at++
		return scalar(line.text, line.number)
	}
	var all mapping
	for r.at < len(r.lines) && r.lines[r.at].indent == indent {
		line := r.lines[r.at]
		key, rest, err := cutKey(line.text)
		if err != nil || key == "" {
			return nil, fmt.Errorf("line %d: could not find expected ':'", line.number)
		}
		if all.get(key) != nil {
			return nil, fmt.Errorf("line %d: mapping key %q already defined", line.number, key)
		}
		r.at++
		value, err := r.value(rest, line, indent)
		if err != nil {
			return nil, err
		}
		all = append(all, pair{key, value})
	}
	return all, nil
}

func (r *yamlReader) list(indent int) (any, error) {
	all := []any{}
	for r.at < len(r.lines) && r.lines[r.at].indent == indent && (r.lines[r.at].text == "-" || strings.HasPrefix(r.lines[r.at].text, "- ")) {
		line := &r.lines[r.at]
		rest := strings.TrimLeft(line.text[1:], " ")
		if key, _, _ := cutKey(rest); key != "" {
			// A map that begins in the line of its dash.
			line.indent, line.text = indent+len(line.text)-len(rest), rest
			value, err := r.block(line.indent)
			if err != nil {
				return nil, err
			}
			all = append(all, value)
			continue
		}
		r.at++
		value, err := r.value(rest, *line, indent)
		if err != nil {
			return nil, err
		}
		all = append(all, value)
	}
	return all, nil
}

func (r *yamlReader) value(rest string, line yamlLine, indent int) (any, error) {
	if rest != "" {
		return scalar(rest, line.number)
	}
	if r.at < len(r.lines) {
		next := r.lines[r.at]
		// A list may stand as far left as its key.
		if next.indent > indent || next.indent == indent && !strings.HasPrefix(line.text, "-") && (next.text == "-" || strings.HasPrefix(next.text, "- ")) {
			return r.block(next.indent)
		}
	}
	return nil, nil
}

// The key of a line, and what comes after it; no key where it is a scalar.
func cutKey(text string) (string, string, error) {
	if text == "" || strings.IndexByte("[{", text[0]) >= 0 {
		return "", "", nil
	}
	if text[0] == '"' || text[0] == '\'' {
		end := strings.IndexByte(text[1:], text[0])
		if end < 0 || !strings.HasPrefix(text[end+2:], ":") {
			return "", "", nil
		}
		return text[1 : end+1], strings.TrimLeft(text[end+3:], " "), nil
	}
	if at := strings.Index(text, ": "); at > 0 {
		return text[:at], strings.TrimLeft(text[at+2:], " "), nil
	}
	if strings.HasSuffix(text, ":") {
		return text[:len(text)-1], "", nil
	}
	return "", "", fmt.Errorf("no key")
}

func scalar(text string, number int) (any, error) {
	value, rest, err := flow(text)
	if err == nil && strings.TrimSpace(rest) != "" {
		err = fmt.Errorf("did not find expected end")
	}
	if err != nil {
		err = fmt.Errorf("line %d: %v", number, err)
	}
	return value, err
}

// A value in one line, and what stands after it.
func flow(text string) (any, string, error) {
	switch text[0] {
	case '[', '{':
		end, items, pairs := map[byte]string{'[': "]", '{': "}"}[text[0]], []any{}, mapping{}
		rest := strings.TrimLeft(text[1:], " ")
		for !strings.HasPrefix(rest, end) {
			var key string
			if end == "}" {
				at := strings.Index(rest, ": ")
				if at < 0 {
					return nil, "", fmt.Errorf("did not find expected ':'")
				}
				key, rest = strings.Trim(rest[:at], `"' `), strings.TrimLeft(rest[at+2:], " ")
			}
			at := strings.IndexAny(rest, ",]}")
			if rest == "" || at < 0 {
				return nil, "", fmt.Errorf("did not find expected ',' or '%s'", end)
			}
			var value any
			var err error
			if strings.IndexByte(`[{"'`, rest[0]) >= 0 {
				value, rest, err = flow(rest)
			} else {
				value, _, err = flow(strings.TrimSpace(rest[:at]))
				rest = rest[at:]
			}
			if err != nil {
				return nil, "", err
			}
			items, pairs = append(items, value), append(pairs, pair{key, value})
			rest = strings.TrimLeft(strings.TrimPrefix(strings.TrimLeft(rest, " "), ","), " ")
		}
		if end == "]" {
			return items, rest[1:], nil
		}
		return pairs, rest[1:], nil
	case '"':
		for at := 1; at < len(text); at++ {
			if text[at] == '\\' {
				at++
			} else if text[at] == '"' {
				value, err := strconv.Unquote(strings.ReplaceAll(text[:at+1], `\/`, "/"))
				return value, text[at+1:], err
			}
		}
		return nil, "", fmt.Errorf("found unexpected end of stream")
	case '\'':
		var out strings.Builder
		for at := 1; at < len(text); at++ {
			if text[at] != '\'' {
				out.WriteByte(text[at])
			} else if at+1 < len(text) && text[at+1] == '\'' {
				out.WriteByte('\'')
				at++
			} else {
				return out.String(), text[at+1:], nil
			}
		}
		return nil, "", fmt.Errorf("found unexpected end of stream")
	case '&', '*', '!', '|', '>', '%', '@', '`':
		return nil, "", fmt.Errorf("this stand-in does not know what %q begins", text[0])
	}
	if text == "~" || text == "null" {
		return nil, "", nil
	}
	return text, "", nil
}
