package jinja

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hostile templates end in an error, quickly and without much memory. Those marked fine are only long.
var hostile = []struct{ name, source string }{
	{"macro that calls itself", `{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}`},
	{"macros that call each other", `{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}`},
	{"caller that calls", `{% macro a() %}{% call a() %}{{ caller() }}{% endcall %}{% endmacro %}{{ a() }}`},
	{"default that calls", `{% macro a(x=a()) %}{% endmacro %}{{ a() }}`},
	{"recursive loop", `{% set l = [1] %}{% set _ = l.append(l) %}{% for x in l recursive %}{{ loop(l) }}{% endfor %}`},
	{"namespace that holds itself", `{% set n = namespace() %}{% set n.n = n %}{{ n }}`},
	{"list that holds itself", `{% set l = [1] %}{% set _ = l.append(l) %}{{ l }}`},
	{"list that holds itself, as JSON", `{% set l = [1] %}{% set _ = l.append(l) %}{{ l|tojson }}`},
	{"lists that hold themselves, compared", `{% set l = [1] %}{% set _ = l.append(l) %}{% set k = [1] %}{% set _ = k.append(k) %}{{ l == k }}`},
	{"lists that hold themselves, ordered", `{% set l = [1] %}{% set _ = l.append(l) %}{% set k = [1] %}{% set _ = k.append(k) %}{{ [l, k]|sort }}`},
	{"repeated text", `{{ "a" * 9000000000 }}`},
	{"repeated text, twice", `{{ ("a" * 1000000) * 1000000 }}`},
	{"repeated list", `{{ [0] * 900000000 }}`},
	{"doubled text", `{% set n = namespace(x="a") %}{% for i in range(64) %}{% set n.x = n.x + n.x %}{% endfor %}`},
	{"doubled text by printing", `{% set n = namespace(x="aa") %}{% for i in range(64) %}{% set n.x = n.x ~ n.x %}{% endfor %}`},
	{"doubled text by blocks", `{% set n = namespace(x="aa") %}{% for i in range(64) %}{% set b %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = b %}{% endfor %}`},
	{"doubled list", `{% set n = namespace(x=[1]) %}{% for i in range(64) %}{% set n.x = n.x + n.x %}{% endfor %}`},
	{"doubled by sharing", `{% set n = namespace(x=[1]) %}{% for i in range(64) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}`},
	{"doubled by sharing, as JSON", `{% set n = namespace(x=[1]) %}{% for i in range(64) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x|tojson }}`},
	{"doubled by sharing, compared", `{% set n = namespace(x=[1], y=[1]) %}{% for i in range(64) %}{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}`},
	{"deep list", `{% set n = namespace(x=[1]) %}{% for i in range(100000) %}{% set n.x = [n.x] %}{% endfor %}{{ n.x }}`},
	{"replace that squares", `{% set s = "a" * 100000 %}{{ s|replace("a", s) }}`},
	{"replace of nothing", `{% set s = "a" * 100000 %}{{ s.replace("", s) }}`},
	{"join that squares", `{% set s = "a" * 100000 %}{{ s.join(s) }}`},
	{"join filter that squares", `{% set s = "a" * 100000 %}{{ s|list|join(s) }}`},
	{"wide indent", `{{ ("\n" * 100000)|indent(100000) }}`},
	{"wide center", `{{ "a"|center(2000000000) }}`},
	{"wide fill", `{{ "1".zfill(2000000000) }}`},
	{"wide JSON", `{{ range(1000)|list|tojson(indent=1000000) }}`},
	{"wide batch", `{{ [1]|batch(2000000000, 0) }}`},
	{"many slices", `{{ [1]|slice(2000000000) }}`},
	{"long range", `{% for i in range(2000000000) %}{% endfor %}`},
	{"huge range", `{% for i in range(0, 9223372036854775807) %}{% endfor %}`},
	{"nested loops", `{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}`},
	{"loops over text", `{% set s = "a" * 1000000 %}{% for i in range(100000) %}{% if "b" in s %}{% endif %}{% endfor %}`},
	{"loops over length", `{% set s = "é" * 1000000 %}{% for i in range(100000) %}{{ s|length is string }}{% endfor %}`},
	{"loops over a character", `{% set s = "é" * 1000000 %}{% for i in range(100000) %}{% set _ = s[-1] %}{% endfor %}`},
	{"loops over strip", `{% set s = "a" * 1000000 %}{% for i in range(100000) %}{% set _ = s.strip("a") %}{% endfor %}`},
	{"sort of many", `{% for i in range(1000) %}{% set _ = range(100000)|sort(reverse=true) %}{% endfor %}`},
	{"format with width", `{{ "%.99f"|format(1.5) * 1000000 }}`},
	{"filters through map", `{{ [[[1]]]|map("map", "map", "map")|list }}{{ range(100000)|map("list")|list }}`},
	{"power", `{{ 2 ** 100000 }}`},
	{"sum that overflows", `{{ 9223372036854775807 + 1 }}`},
	{"brackets", strings.Repeat("{{ (", 1) + strings.Repeat("(", 100000)},
	{"nested brackets", "{{ " + strings.Repeat("(", 100000) + "1" + strings.Repeat(")", 100000) + " }}"},
	{"nested lists", "{{ " + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + " }}"},
	{"nots", "{{ " + strings.Repeat("not ", 50000) + "1 }}"},
	{"minuses", "{{ " + strings.Repeat("-", 100000) + "1 }}"},
	{"long sum", "{{ 1" + strings.Repeat("+1", 100000) + " }}"},
	{"long chain of attributes", "{{ a" + strings.Repeat(".a", 100000) + " }}"},
	{"long chain of filters", "{{ 1" + strings.Repeat("|string", 30000) + " }}"},
	{"long chain of conditions", "{{ 1" + strings.Repeat(" if 1", 40000) + " }}"},
	{"long chain of calls", "{{ a" + strings.Repeat("()", 100000) + " }}"},
	{"nested ifs", strings.Repeat("{% if 1 %}", 20000) + strings.Repeat("{% endif %}", 10000)},
	{"nested macros", strings.Repeat("{% macro a() %}", 15000)},
	{"large source", strings.Repeat("a", maxSource+1)},
	{"unclosed tag", "{{" + strings.Repeat(" ", 200000)},
	{"unclosed raw", "{% raw %}" + strings.Repeat("{%", 100000)},
	{"assignment to what is no namespace", `{% set messages.x = 1 %}`},
	{"break outside", `{% break %}`},
}

func TestHostileTemplatesEndInAnError(t *testing.T) {
	for _, c := range hostile {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := time.Now()
		tpl, err := Parse(c.source)
		if err == nil {
			_, err = tpl.Render(map[string]Value{"messages": NewList()}, start, LimitsFor(0))
		}
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: error %v", c.name, err)
		}
		if built := (after.TotalAlloc - before.TotalAlloc) >> 20; built > 700 || took > 10*time.Second {
			t.Errorf("%s: %d MB built in %v", c.name, built, took)
		} else if took > 500*time.Millisecond || built > 100 {
			t.Logf("%s: %d MB built in %v: %v", c.name, built, took.Round(time.Millisecond), err)
		}
	}
}

// Honest templates stay far from the limits even with long conversations.
func TestLongConversationsFit(t *testing.T) {
	tpl, err := Parse(`{% for m in messages %}{% if '</think>' in m.content %}{% set c = m.content.split('</think>')[-1].lstrip('\n') %}{% else %}{% set c = m.content|trim %}{% endif %}` +
		`{{ '<|' + m.role + '|>\n' + c + '<|end|>\n' }}{% endfor %}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, shape := range [][2]int{{1, 16 << 20}, {1000, 4000}, {20000, 10}} {
		var items []Value
		for range shape[0] {
			d := NewDict(2)
			d.Set("role", "user")
			d.Set("content", strings.Repeat("x", shape[1]))
			items = append(items, d)
		}
		text, err := tpl.Render(map[string]Value{"messages": NewList(items...)}, time.Now(), LimitsFor(shape[0]*(shape[1]+40)))
		if err != nil || len(text) < shape[0]*shape[1] {
			t.Errorf("%v: %d bytes, %v", shape, len(text), err)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	for _, c := range hostile {
		if len(c.source) < 500 {
			f.Add(c.source)
		}
	}
	for _, s := range []string{"{{ messages[0].content|trim }}", "{%- for m in messages -%}{{ loop.index }}{%- endfor -%}", "{{ d|tojson(indent=2) }}", "{{ '%s' % 1 }}{{ 'a'.format(1) }}",
		"{% set x | upper %}a{% endset %}{{ x[::-1] }}", "{{ [3,1]|sort|join(',') }}", "{# c #}{% raw %}{{{% endraw %}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		tpl, err := Parse(source)
		if err == nil {
			d := NewDict(1)
			d.Set("role", "user")
			d.Set("content", "Hällo  wörld\n")
			_, err = tpl.Render(map[string]Value{"messages": NewList(d), "d": d, "n": int64(3), "f": 2.5}, time.Unix(0, 0), Limits{Steps: 1 << 16, Bytes: 1 << 20})
		}
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%q: %v", source, err)
		}
	})
}
