package jinja

import (
	"strconv"
	"strings"
	"time"
)

// globals are the functions every template sees: Jinja's, and the two that chat templates rely on, raise_exception and
// strftime_now.
var globals = map[string]*function{
	"range":           {"range", globalRange},
	"dict":            {"dict", globalDict},
	"namespace":       {"namespace", globalNamespace},
	"cycler":          {"cycler", globalCycler},
	"joiner":          {"joiner", globalJoiner},
	"raise_exception": {"raise_exception", globalRaise},
	"strftime_now":    {"strftime_now", globalNow},
}

func globalRange(m *machine, a arguments) (Value, error) {
	if len(a.keys) > 0 || len(a.pos) < 1 || len(a.pos) > 3 {
		return nil, fault("range() takes one to three arguments")
	}
	var n [3]int
	for i, v := range a.pos {
		x, err := needInt("range", v, 0)
		if err != nil {
			return nil, err
		}
		n[i] = x
	}
	start, stop, step := n[0], n[1], n[2]
	switch len(a.pos) {
	case 1:
		start, stop, step = 0, n[0], 1
	case 2:
		step = 1
	}
	if step == 0 {
		return nil, fault("range() arg 3 must not be zero")
	}
	count := 0
	if step > 0 && stop > start {
		count = (stop - start + step - 1) / step
	} else if step < 0 && start > stop {
		count = (start - stop - step - 1) / -step
	}
	if err := m.grow(16 * count); err != nil {
		return nil, err
	}
	out := &List{items: make([]Value, 0, count)}
	for i := range count {
		out.items = append(out.items, int64(start+i*step))
	}
	return out, m.step(count)
}

func globalDict(m *machine, a arguments) (Value, error) {
	d := NewDict(len(a.keys))
	if len(a.pos) > 0 {
		switch of := a.pos[0].(type) {
		case *Dict:
			d = of.copy()
		default:
			pairs, err := m.items(of)
			if err != nil {
				return nil, err
			}
			for _, p := range pairs {
				kv, err := m.items(p)
				if err != nil {
					return nil, err
				}
				if len(kv) != 2 || !d.Set(kv[0], kv[1]) {
					return nil, fault("dict() takes pairs")
				}
			}
		}
	}
	for i, k := range a.keys {
		d.Set(k, a.vals[i])
	}
	return d, m.grow(64 * d.Len())
}

func globalNamespace(m *machine, a arguments) (Value, error) {
	d, err := globalDict(m, a)
	if err != nil {
		return nil, err
	}
	return &namespace{vars: d.(*Dict)}, nil
}

func globalCycler(_ *machine, a arguments) (Value, error) {
	if len(a.pos) == 0 {
		return nil, fault("cycler: at least one item has to be provided")
	}
	at := 0
	ns := &namespace{vars: NewDict(3)}
	ns.vars.Set("current", a.pos[0])
	move := func(to int) {
		at = to % len(a.pos)
		ns.vars.Set("current", a.pos[at])
	}
	ns.vars.Set("next", &function{"next", func(*machine, arguments) (Value, error) {
		v := a.pos[at]
		move(at + 1)
		return v, nil
	}})
	ns.vars.Set("reset", &function{"reset", func(*machine, arguments) (Value, error) {
		move(0)
		return nil, nil
	}})
	return ns, nil
}

func globalJoiner(_ *machine, a arguments) (Value, error) {
	p, err := a.bind("joiner", "sep")
	if err != nil {
		return nil, err
	}
	used := false
	return &function{"joiner", func(*machine, arguments) (Value, error) {
		if !used {
			used = true
			return "", nil
		}
		return or(p[0], ", "), nil
	}}, nil
}

func globalRaise(m *machine, a arguments) (Value, error) {
	p, err := a.bind("raise_exception", "message")
	if err != nil {
		return nil, err
	}
	s, err := m.str(or(p[0], ""))
	if err != nil {
		return nil, err
	}
	return nil, &Error{Fact: s, Raised: true}
}

func globalNow(m *machine, a arguments) (Value, error) {
	p, err := a.bind("strftime_now", "format")
	if err != nil {
		return nil, err
	}
	format, err := needString("strftime_now", p[0])
	if err != nil {
		return nil, err
	}
	if err := m.grow(16 * len(format)); err != nil { // the longest, %c, makes 24 bytes of 2
		return nil, err
	}
	return strftime(m.now, format), nil
}

// strftime writes t as C's strftime does in the C locale, glibc's %-d (no padding) included.
func strftime(t time.Time, format string) string {
	layouts := map[byte]string{
		'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'B': "January", 'b': "Jan", 'h': "Jan",
		'A': "Monday", 'a': "Mon", 'p': "PM", 'I': "03", 'y': "06", 'j': "002", 'e': "_2", 'Z': "", 'z': "",
		'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06", 'R': "15:04", 'c': "Mon Jan _2 15:04:05 2006",
		'x': "01/02/06", 'X': "15:04:05",
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		bare := format[i] == '-' && i+1 < len(format)
		if bare {
			i++
		}
		c := format[i]
		var s string
		switch layout, ok := layouts[c]; {
		case ok && layout != "":
			s = t.Format(layout)
		case ok: // %Z and %z of a time without zone, which is what datetime.now() is
		case c == '%':
			s = "%"
		case c == 'n':
			s = "\n"
		case c == 't':
			s = "\t"
		case c == 's':
			s = strconv.FormatInt(t.Unix(), 10)
		case c == 'f':
			s = t.Format(".000000")[1:]
		case c == 'u':
			s = strconv.Itoa((int(t.Weekday())+6)%7 + 1)
		case c == 'w':
			s = strconv.Itoa(int(t.Weekday()))
		default:
			s = "%" + string(c)
		}
		if bare {
			if trimmed := strings.TrimLeft(s, "0 "); trimmed != "" {
				s = trimmed
			} else {
				s = "0"
			}
		}
		b.WriteString(s)
	}
	return b.String()
}
