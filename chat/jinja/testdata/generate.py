#!/usr/bin/env python3
"""Writes snippets.json.gz: templates and what Python's Jinja2 makes of them.

The environment is the one chat templates are written for (transformers' apply_chat_template): an immutable sandbox with
trim_blocks, lstrip_blocks and loop controls, tojson as json.dumps(ensure_ascii=False), raise_exception, strftime_now frozen at
2026-01-15T12:34:56. Run it with Jinja2 3.1.6: python3 generate.py
"""
import datetime, gzip, hashlib, json, pathlib, sys
import jinja2, jinja2.sandbox, jinja2.ext, jinja2.nodes

class Generation(jinja2.ext.Extension):
    tags = {"generation"}
    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)
    def _mark(self, caller):
        return caller()

def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols, Generation])
    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: datetime.datetime(2026, 1, 15, 12, 34, 56).strftime(f)
    return env

VARS = {
    "s": "Hello, World", "u": "héllo 😀 ß", "e": "", "sp": "  x y \n z\t\n", "ml": "one\ntwo\n\n  three\r\nfour", "q": "it's \"quoted\" \\ <b> & \u2028 \x07 \x7f",
    "i": 7, "neg": -7, "z": 0, "f": 2.5, "one": 1.0, "big": 12345678901234567890, "tiny": 1e-7, "large": 1e16, "t": True, "n": None,
    "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "mixed": [1, "a", None, True, 2.0, [1, 2], {"k": "v"}], "nested": [[1, [2, 3]], []],
    "d": {"z": 1, "a": {"x": [1, 2.50, "q"], "items": "shadow"}, "m": None, "é": "ü"}, "ed": {},
    "people": [{"name": "Bob", "age": 30, "tags": ["x"]}, {"name": "alice", "age": 25}, {"name": "Carol", "age": 30, "tags": []}],
    "tree": [{"v": 1, "c": [{"v": 2, "c": []}, {"v": 3, "c": [{"v": 4, "c": []}]}]}],
}

# Separated by broken bars, since the plain one is part of the language.
EXPRESSIONS = r"""
i + 1 ¦ i - 10 ¦ i * 3 ¦ i / 2 ¦ i // 2 ¦ neg // 2 ¦ neg % 3 ¦ i % -3 ¦ 2 ** 10 ¦ 2 ** -1 ¦ f * 2 ¦ f // 2 ¦ 7.5 % 2 ¦ -f ¦ +i ¦ 1_000 ¦ 0x1F ¦ 1e3 ¦ 1.5e-3 ¦ i / z ¦ i // z ¦ f + i ¦ t + t ¦ t * 3 ¦ -t
1 + 2 * 3 - 4 / 2 ¦ (1 + 2) * 3 ¦ 2 ** 3 ** 2 ¦ -2 ** 2 ¦ 10 - 3 - 2 ¦ s + "!" ¦ s * 2 ¦ 2 * s ¦ s * 0 ¦ s * -1 ¦ s + 1 ¦ 1 + s ¦ s + n ¦ l + [4] ¦ l * 2 ¦ l + s ¦ d + d ¦ big ¦ tiny ¦ large ¦ one ¦ 1e15 ¦ 1e16 ¦ 123456789.123 ¦ 0.1 + 0.2 ¦ 1 / 3
1 ~ 2 ¦ s ~ n ~ t ~ f ~ l ¦ "a" "b" ¦ "a" 'b' "c" ¦ missing ¦ missing ~ "x" ¦ missing + "x" ¦ missing.x ¦ d.missing ¦ d.missing.x ¦ d["missing"] ¦ d.a.x[1] ¦ d.a["x"][-1] ¦ l[0] ¦ l[-1] ¦ l[10] ¦ l["0"] ¦ s[0] ¦ s[-1] ¦ u[6] ¦ s[100] ¦ d[0]
s[1:3] ¦ s[:5] ¦ s[-5:] ¦ s[::-1] ¦ s[::2] ¦ u[1:8] ¦ u[::-1] ¦ l[1:] ¦ l[:-1] ¦ l[::-1] ¦ l[5:] ¦ l[2:0:-1] ¦ s[5:1] ¦ s[1:100] ¦ s[-100:2] ¦ l[::0] ¦ mixed[1:4] ¦ n[0] ¦ i[0]
i == 7 ¦ i == 7.0 ¦ i == "7" ¦ t == 1 ¦ n == none ¦ l == [3, 1, 2] ¦ d == d ¦ s == "Hello, World" ¦ missing == missing ¦ missing == none ¦ [1, 2] == (1, 2) ¦ i != 7 ¦ "a" < "b" ¦ "a" < 1 ¦ 1 < 2 < 3 ¦ 3 > 2 > 2 ¦ l < [3, 2] ¦ n < 1 ¦ f >= 2.5 ¦ t < 2
"ell" in s ¦ "x" not in s ¦ 1 in l ¦ "1" in l ¦ "z" in d ¦ "q" in d ¦ 1.0 in l ¦ missing in l ¦ "a" in missing ¦ "a" in n ¦ 1 in s ¦ [1] in nested ¦ none in mixed ¦ true in [1]
t and i ¦ z or "default" ¦ z and missing.x ¦ not t ¦ not missing ¦ not not l ¦ e or n or "x" ¦ t or missing.x ¦ 1 if t else 2 ¦ 1 if z ¦ "a" if z else "b" if z else "c" ¦ (1 if t) ~ "x"
[1, "a", none] ¦ (1, 2) ¦ (1,) ¦ () ¦ {"a": 1, "b": [2]} ¦ {1: 2, 1.0: 3, true: 4} ¦ {} ¦ [] ¦ [1, 2,] ¦ mixed ¦ d ¦ nested ¦ people[0] ¦ (s, [u], {"k": q})
q ¦ [q] ¦ [u] ¦ ["it's"] ¦ ['say "x"'] ¦ ["both ' and \""] ¦ "\n\t\x41\u00e9\101\q" ¦ 'a\'b' ¦ "tab\tx"
i is defined ¦ missing is defined ¦ missing is undefined ¦ d.a is defined ¦ d.q is defined ¦ n is none ¦ i is not none ¦ s is string ¦ i is string ¦ l is iterable ¦ s is iterable ¦ i is iterable ¦ d is mapping ¦ l is mapping ¦ l is sequence ¦ s is sequence ¦ d is sequence ¦ i is number ¦ t is number ¦ f is float ¦ i is integer ¦ t is integer ¦ t is boolean ¦ i is boolean ¦ t is true ¦ i is true ¦ z is false ¦ f is false ¦ i is odd ¦ i is even ¦ i is divisibleby 7 ¦ i is divisibleby(3) ¦ s is upper ¦ "ABC" is upper ¦ "abc" is lower ¦ "123" is lower ¦ i is eq 7 ¦ i is ne(8) ¦ i is gt 3 ¦ i is in [7, 8] ¦ i is sameas 7 ¦ n is sameas none ¦ range is callable ¦ s is callable ¦ missing is callable ¦ missing is iterable ¦ i is eq(7) and t ¦ not i is odd ¦ i is not odd
i is defined and missing is not defined ¦ s is string and i is integer or f is none ¦ (s if s is string else "no") ¦ "yes" if missing is defined else "no"
s|upper ¦ s|lower ¦ s|title ¦ "hello-world (a) [b] it's"|title ¦ "hELLO wORLD"|capitalize ¦ u|upper ¦ u|capitalize ¦ s|length ¦ u|length ¦ l|length ¦ d|length ¦ missing|length ¦ n|length ¦ i|length
sp|trim ¦ sp|trim|length ¦ "xxaxx"|trim("x") ¦ n|trim ¦ missing|trim ¦ i|trim ¦ s|replace("l", "L") ¦ s|replace("l", "L", 1) ¦ s|replace("", "-") ¦ i|replace("7", "8") ¦ s|reverse ¦ l|reverse ¦ l|reverse|list ¦ s|list ¦ u|list ¦ d|list ¦ missing|list ¦ n|list
l|sort ¦ ls|sort ¦ ls|sort(case_sensitive=true) ¦ l|sort(reverse=true) ¦ people|sort(attribute="name")|map(attribute="name")|join(", ") ¦ people|sort(attribute="age,name")|map(attribute="name")|list ¦ mixed|sort ¦ l|first ¦ l|last ¦ e|first ¦ missing|first ¦ s|first ¦ s|last ¦ d|first
l|join ¦ l|join("-") ¦ people|join(",", attribute="name") ¦ s|join("-") ¦ mixed|join("|") ¦ n|join ¦ missing|join(",") ¦ l|sum ¦ people|sum(attribute="age") ¦ l|sum(start=10) ¦ ls|sum ¦ l|min ¦ l|max ¦ ls|min ¦ ls|max(case_sensitive=true) ¦ people|max(attribute="age") ¦ []|max
l|map("string")|list ¦ ls|map("upper")|join ¦ people|map(attribute="tags")|list ¦ people|map(attribute="tags", default="none")|list ¦ people|map(attribute="tags.0")|list ¦ ls|map("replace", "a", "X")|list ¦ mixed|select|list ¦ mixed|select("string")|list ¦ l|select("gt", 1)|list ¦ l|reject("odd")|list ¦ mixed|reject("none")|list ¦ people|selectattr("age", "equalto", 30)|map(attribute="name")|list ¦ people|selectattr("tags")|list|length ¦ people|rejectattr("tags", "defined")|list|length ¦ people|selectattr("name", "in", ["Bob"])|list|length
l|unique|list ¦ ls|unique|list ¦ ["a", "A", "b"]|unique(case_sensitive=true)|list ¦ people|groupby("age") ¦ people|groupby("age")|map("first")|list ¦ [1,2,3,4,5]|batch(2)|list ¦ [1,2,3,4,5]|batch(2, "x")|list ¦ [1,2,3,4,5]|slice(3)|list ¦ [1,2,3,4,5]|slice(3, "x")|list ¦ d|items|list ¦ d|dictsort ¦ d|dictsort(reverse=true) ¦ {"b": 1, "a": 2}|dictsort(by="value")|d.items()|list|d.keys()|list|d.values()|list|d.get("z")|d.get("q")|d.get("q", "def") ¦ d.a.items ¦ d.a["items"] ¦ d["items"] ¦ ed.items()|list
i|string ¦ f|string ¦ n|string ¦ "12"|int ¦ "12.7"|int ¦ "x"|int ¦ "x"|int(5) ¦ "ff"|int(base=16) ¦ "0x1f"|int(0, 16) ¦ f|int ¦ t|int ¦ n|int ¦ "1.5"|float ¦ "x"|float ¦ i|float ¦ " 12 "|int ¦ neg|abs ¦ f|round ¦ 2.567|round(2) ¦ 2.5|round ¦ 3.5|round ¦ 42|round ¦ 2.1|round(0, "ceil") ¦ 2.9|round(method="floor") ¦ 1234|round(-2) ¦ (2.5)|round|int
missing|default("d") ¦ n|default("d") ¦ n|default("d", true) ¦ e|d("x", true) ¦ i|default("d") ¦ d.q|default ¦ ml|indent ¦ ml|indent(2) ¦ ml|indent(2, true) ¦ ml|indent(">", first=true, blank=true) ¦ e|indent ¦ s|center(20) ¦ s|truncate(8) ¦ s|truncate(8, true) ¦ s|truncate(8, true, "") ¦ (s ~ s ~ s)|truncate(20) ¦ (s ~ s ~ s)|truncate(20, leeway=0) ¦ "a b-c d_e"|wordcount ¦ "%s is %d and %.2f"|format(s, i, f) ¦ "%s" % s ¦ "%s-%s" % (i, f) ¦ "%(a)s"|format(a=1) ¦ "100%%" % ()
s|escape ¦ q ¦ e ¦ "<b>"|safe ¦ d|attr("z") ¦ d|attr("keys") is callable ¦ s|wordcount ¦ l|tojson ¦ d|tojson ¦ d|tojson(indent=2) ¦ mixed|tojson ¦ nested|tojson(indent=1) ¦ q|tojson ¦ u|tojson ¦ u|tojson(ensure_ascii=true) ¦ one|tojson ¦ tiny|tojson ¦ large|tojson ¦ big|tojson ¦ n|tojson ¦ t|tojson ¦ missing|tojson ¦ range|tojson ¦ d|tojson(separators=(",", ":")) ¦ d|tojson(sort_keys=true) ¦ []|tojson(indent=2) ¦ {}|tojson(indent=2) ¦ [{}, []]|tojson(indent=4) ¦ {1: 2, none: 3, true: 4, 1.5: 5}|tojson ¦ (1, 2)|tojson ¦ people|tojson(indent="	")
s.upper() ¦ s.lower() ¦ s.title() ¦ "they're bill's"|title ¦ "they're bill's".title() ¦ s.capitalize() ¦ s.swapcase() ¦ sp.strip() ¦ sp.lstrip() ¦ sp.rstrip() ¦ "xxaxx".strip("x") ¦ "abcab".rstrip("ba") ¦ s.startswith("Hell") ¦ s.startswith(("x", "H")) ¦ s.endswith("x") ¦ s.split(",") ¦ s.split() ¦ sp.split() ¦ "a  b c".split(" ") ¦ "a,b,c".split(",", 1) ¦ "a,b,c".rsplit(",", 1) ¦ " a b c ".split(none, 1) ¦ " a b c ".rsplit(none, 1) ¦ "".split() ¦ "".split(",") ¦ "abc".split("") ¦ ml.splitlines() ¦ ml.splitlines(true) ¦ s.partition(", ") ¦ s.rpartition("o") ¦ s.partition("x") ¦ s.replace("l", "L", 1) ¦ "-".join(ls) ¦ "-".join(l) ¦ s.find("o") ¦ s.rfind("o") ¦ s.find("x") ¦ u.find("l") ¦ s.find("o", 5) ¦ s.find("o", 5, 6) ¦ s.index("x") ¦ s.count("l") ¦ "aaa".count("aa") ¦ "42".zfill(5) ¦ "-42".zfill(5) ¦ s.center(20, "*") ¦ "ab".center(5) ¦ "abc".center(6) ¦ "ab".ljust(4) ~ "|" ¦ "ab".rjust(4) ¦ "{} {}".format(1, "a") ¦ "{1} {0} {x}".format(1, 2, x=3) ¦ "{{}}".format() ¦ "12".isdigit() ¦ "1a".isdigit() ¦ "".isdigit() ¦ "ab".isalpha() ¦ " ".isspace() ¦ "a1".isalnum() ¦ "AB1".isupper() ¦ "ab1".islower() ¦ "1".isnumeric() ¦ s.removeprefix("Hello") ¦ s.removesuffix("ld") ¦ s.nope ¦ s.nope() ¦ i.nope ¦ l.nope ¦ l.index(1) ¦ l.index(9) ¦ l.count(1) ¦ s.casefold() ¦ s.__class__ ¦ s|length.x
range(3)|list ¦ range(1, 4)|list ¦ range(5, 0, -2)|list ¦ range(0)|list ¦ range(3)|join ¦ dict(a=1, b=2) ¦ dict({"x": 1}, y=2) ¦ namespace(a=1).a ¦ namespace().q ¦ cycler("a", "b").next() ¦ joiner("|")() ¦ strftime_now("%Y-%m-%d %H:%M:%S") ¦ strftime_now("%d %b %Y") ¦ strftime_now("%A %B %j %p %I %y %%") ¦ strftime_now("%-d/%-m %e") ¦ raise_exception("own words") ¦ raise_exception(s) ¦ nofunction(1) ¦ s(1) ¦ range() ¦ range(1, 2, 0)
"a" is nosuchtest ¦ "a"|nosuchfilter ¦ s.upper ¦ [1, 2][0] ¦ {"a": {"b": 1}}.a.b ¦ {"a": 1}["a"] ¦ "abc"[1] ¦ (1, 2)[0] ¦ [l, l][1][2] ¦ l|map("nosuch")|list ¦ i is divisibleby 0
s|upper|lower ¦ s|replace("H", "J")|upper ~ "!" ¦ "a" ~ "b"|upper ¦ -1|abs ¦ (-1)|abs ¦ not e|length ¦ l|length > 2 ¦ l|length + 1 ¦ "x" if l|length == 3 else "y" ¦ i + l|first ¦ 1 + 2|string ¦ s|length is odd ¦ l[0]|string ¦ [1, 2]|map("string")|join("+") ~ "="
"""

TEMPLATES = [
    "{% for x in l %}{{ x }},{% endfor %}", "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}",
    "{% for x in [] %}a{% else %}none{% endfor %}", "{% for x in l if x > 1 %}{{ loop.index }}:{{ x }} {% else %}none{% endfor %}", "{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }};{% endfor %}", "{% for k, v in d|items %}{{ k }};{% endfor %}", "{% for (a, b) in [(1, 2), [3, 4]] %}{{ a }}{{ b }}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}", "{% for c in u %}[{{ c }}]{% endfor %}", "{% for x in missing %}a{% else %}b{% endfor %}", "{% for x in n %}a{% endfor %}", "{% for x in i %}a{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% for x in l %}{% for y in l %}{% if y == 1 %}{% break %}{% endif %}{{ x }}{{ y }} {% endfor %}{% endfor %}",
    "{% set x = 1 %}{% for y in l %}{% set x = x + y %}{{ x }} {% endfor %}{{ x }}", "{% for y in l %}{{ q2 }}{% set q2 = y %}{{ q2 }}{% endfor %}{{ q2 }}", "{% set ns = namespace(x=0) %}{% for y in l %}{% set ns.x = ns.x + y %}{% endfor %}{{ ns.x }}",
    "{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set (a, b) = l[:2] %}{{ a }}{{ b }}", "{% set x = 1, 2 %}{{ x }}", "{% set d.x = 1 %}", "{% set nons.x = 1 %}",
    "{% set x %}block {{ i }}{% endset %}[{{ x }}]", "{% set x | upper | replace('A', '4') %}a{{ s }}{% endset %}{{ x }}", "{% set x %}{% set y = 2 %}{% endset %}{{ y is defined }}",
    "{% if z %}a{% elif i == 7 %}b{% else %}c{% endif %}", "{% if z %}a{% elif z %}b{% else %}c{% endif %}", "{% if missing %}a{% endif %}x", "{% if i == 7 and s %}y{% endif %}", "{% if not t %}{% else %}z{% endif %}",
    "{% macro m(a, b=2, c='x') %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(1, c='z') }} {{ m(a=5) }} {{ m() }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}",
    "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}", "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}", "{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}",
    "{% macro fact(n) %}{{ n * (fact(n - 1)|int) if n > 1 else 1 }}{% endmacro %}{{ fact(5) }}", "{% for x in l %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% endfor %}", "{% macro m() %}{{ loop.index }}{% endmacro %}{% for x in l %}{{ m() }}{% endfor %}",
    "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in {{ i }}{% endcall %}", "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}", "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}", "{% macro m(x) %}{{ x|length }}{% endmacro %}{{ m(m(l)) }}",
    "{% filter upper %}a{{ s }}{% endfilter %}", "{% filter replace('a', 'b') | upper %}aXa{% endfilter %}", "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% with %}{% set y = 3 %}{{ y }}{% endwith %}{{ y is defined }}",
    "{% for n in tree recursive %}{{ n.v }}{% if n.c %}({{ loop(n.c) }}){% endif %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}", "{% for x in l %}{{ loop(l) }}{% endfor %}", "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem }}{% endfor %}", "{% for x in [1, 1, 2, 2] %}{{ loop.changed(x) }}{% endfor %}", "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in l %}{% set outer = loop %}{% for y in ls %}{{ outer.index }}.{{ loop.index }} {% endfor %}{% endfor %}", "{{ loop }}", "{% raw %}{{ x }} {% if %}{% endraw %}", "{%- raw -%}  a {{ {%- endraw -%}  b", "a{# comment #}b", "a {#- c -#} b", "{# multi\nline #}\nx",
    "  {% if t %}\n  a\n  {% endif %}\n  b", "{% if t %}\n\nx{% endif %}\n", "a\n  {%- if t %}\n b {% endif -%}\n c", "  {{ i }}  \n  {{- i -}}  \n x", "x  {%+ if t %}a{% endif %}", "{% if t +%}\n a{% endif %}", "\t{% set x = 1 %}\n\t{{ x }}\n", "a {% if t %}b{% endif %} c", "x\n{# c #}\ny\n", "   {# c #}   \ny",
    "line1\r\nline2\r{{ i }}\r\n", "{{ 'a\r\nb' }}", "trailing\n", "trailing\n\n", "{{ i }}\n", "\n\n{{ i }}", "{% for x in l %}\n  {{ x }}\n{% endfor %}\n", "{%- for x in l -%}\n  {{ x }}\n{%- endfor -%}\n", "{% for x in l %}{{ x }}{{ ',' if not loop.last }}{% endfor %}",
    "{{ {'a': {'b': 1}} }}", "{{ {'a': 1}['a'] }}", "{{ '}}' }}", "{{ \"{% x %}\" }}", "{% set x = '%}' %}{{ x }}", "{{ 'a' }}}", "{ {{ i }} }", "{{ [[1]] }}", "{%set x=1%}{{x}}", "{{i}}{{s}}", "{{- i -}}", "{{ i -}} x", "{ { % # }", "{", "{{ '{' }}{", "",
    "{% generation %}a{{ i }}{% endgeneration %}b", "{% generation %}{% set gg = 1 %}{% endgeneration %}{{ gg is defined }}", "{% print i %}", "{{ i, s }}", "{{ () }}",
    "{% if %}{% endif %}", "{% for %}{% endfor %}", "{% endif %}", "{% if t %}", "{{ i", "{% if t }}", "{{ }}", "{{ 1 + }}", "{{ (1 }}", "{{ [1 }}", "{{ 'a }}", "{# a", "{% nosuch %}", "{{ a b }}", "{{ 1 | }}", "{{ .a }}", "{% set %}", "{% for x l %}{% endfor %}", "{% macro %}{% endmacro %}", "{{ a. }}", "{{ a[ }}", "{{ x is }}", "{% break %}", "{{ $ }}", "{{ i ]}}",
    "{% if messages is defined %}x{% endif %}{{ messages }}", "{% for p in people %}{{ p.name }}{% if not loop.last %}, {% endif %}{% endfor %}", "{% for p in people %}{% if p.tags is defined and p.tags %}{{ p.tags|join }}{% endif %}{% endfor %}", "{% for k, v in d.a.items() if k != 'x' %}{{ k }}{% endfor %}",
    "{% set x = namespace(a=[]) %}{% set x.a = x.a + [1] %}{{ x.a }}", "{% set x = l|length %}{{ x }}{{ x == 3 }}", "{{ people|map(attribute='name')|map('lower')|join(' ') }}", "{% for g in people|groupby('age') %}{{ g.grouper }}:{{ g.list|length }} {% endfor %}", "{% for age, ps in people|groupby('age') %}{{ age }}:{{ ps|map(attribute='name')|join('+') }} {% endfor %}",
    "{% set content = '<think>a</think>b' %}{{ content.split('</think>')[-1].lstrip('\\n') }}{{ content.split('</think>')[0].rstrip('\\n').split('<think>')[-1] }}", "{%- for m in people[::-1] %}{{ m.name }}{% endfor %}", "{{ people[-1]['name'] }}{{ people[1:]|length }}", "{% set ns = namespace(f=false) %}{% for x in l %}{% if x == 1 %}{% set ns.f = true %}{% endif %}{% endfor %}{{ ns.f }}",
    "{{ l.append(4) }}", "{{ d.update({'x': 1}) }}", "{{ s.__class__.__mro__ }}", "{{ ''|attr('__class__') }}", "{% set x = cycler('a', 'b') %}{{ x.next() }}{{ x.current }}{{ x.next() }}{{ x.next() }}{{ x.reset() }}{{ x.next() }}", "{% set j = joiner() %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}",
]

def main():
    env = environment()
    sources = []
    for line in EXPRESSIONS.strip().splitlines():
        sources += ["{{ " + e.strip() + " }}" for e in line.split("¦")]
    sources += TEMPLATES
    cases = []
    for src in sources:
        case = {"template": src}
        try:
            case["text"] = env.from_string(src).render(json.loads(json.dumps(VARS)))
            if " object at 0x" in case["text"]:
                continue
        except jinja2.exceptions.TemplateSyntaxError as e:
            case["error"] = "syntax"
        except jinja2.exceptions.TemplateError as e:
            case["error"] = "raised: " + str(e) if type(e) is jinja2.exceptions.TemplateError else "runtime"
        except Exception as e:
            case["error"] = "runtime"
        cases.append(case)
    out = {"jinja2": jinja2.__version__, "generator_sha256": hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest(), "vars": VARS, "cases": cases}
    with gzip.GzipFile(pathlib.Path(__file__).with_name("snippets.json.gz"), "wb", mtime=0) as f:
        f.write(json.dumps(out, ensure_ascii=True).encode())
    print(len(cases), "cases,", sum("error" in c for c in cases), "errors")

if __name__ == "__main__":
    main()
