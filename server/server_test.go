package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"pith/engine"
)

// start serves one model called "m".
func start(t *testing.T, change func(*Options, *engine.Options)) (*Server, *httptest.Server) {
	t.Helper()
	var o Options
	var eo engine.Options
	if change != nil {
		change(&o, &eo)
	}
	o.Models = []Model{testModel(t, "m", eo)}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return s, h
}

// post sends JSON and returns status and body.
func post(t *testing.T, url, body string) (int, []byte, http.Header) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b, resp.Header
}

func decode[T any](t *testing.T, b []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

// events splits a stream into the data of its events; comments are left out.
func events(t *testing.T, stream []byte) (data []string, comments int) {
	t.Helper()
	for block := range strings.SplitSeq(strings.TrimSuffix(string(stream), "\n\n"), "\n\n") {
		switch {
		case strings.HasPrefix(block, "data: "):
			data = append(data, strings.TrimPrefix(block, "data: "))
		case strings.HasPrefix(block, ":"):
			comments++
		default:
			t.Fatalf("not an event: %q", block)
		}
	}
	return data, comments
}

const hello = `"messages":[{"role":"user","content":"Hello, who are you?"}],"temperature":0`

func TestModelsAreListed(t *testing.T) {
	_, h := start(t, nil)
	resp, err := http.Get(h.URL + "/v1/models")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	want := fmt.Sprintf(`{"data":[{"id":"m","object":"model","created":1700000000,"owned_by":"pith","max_model_len":%d}],"object":"list"}`, testContext)
	if string(b) != want {
		t.Errorf("got %s\nwant %s", b, want)
	}
	for path, status := range map[string]int{"/v1/models/m": 200, "/v1/models/other": 404, "/v1/nothing": 404, "/health": 200} {
		resp, err := http.Get(h.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s: status %d, want %d", path, resp.StatusCode, status)
		}
	}
}

func TestStreamEqualsWhole(t *testing.T) {
	_, h := start(t, nil)
	const fields = `{"model":"m",` + hello + `,"max_tokens":24,"logprobs":true,"top_logprobs":2`
	status, b, _ := post(t, h.URL+"/v1/chat/completions", fields+`}`)
	if status != 200 {
		t.Fatalf("status %d: %s", status, b)
	}
	whole := decode[chatAnswer](t, b)
	choice := whole.Choices[0]
	if whole.Object != "chat.completion" || choice.Message.Role != "assistant" || *choice.Reason != "length" {
		t.Errorf("unexpected shape: %s", b)
	}
	if whole.Usage.Completion != 24 || whole.Usage.Total != whole.Usage.Prompt+24 || !bytes.Contains(b, []byte(`"cached_tokens":0`)) {
		t.Errorf("usage: %+v", whole.Usage)
	}
	if len(choice.Logprobs.Content) != 24 || len(choice.Logprobs.Content[0].Top) != 2 {
		t.Errorf("logprobs: %d tokens", len(choice.Logprobs.Content))
	}
	if whole.Pith.KV != "full" || whole.Pith.KVBytes != whole.Pith.FullBytes || whole.Pith.KVBytes == 0 {
		t.Errorf("pith: %+v", whole.Pith)
	}

	status, b, header := post(t, h.URL+"/v1/chat/completions", fields+`,"stream":true,"stream_options":{"include_usage":true}}`)
	if status != 200 || header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("status %d, %v", status, header)
	}
	data, _ := events(t, b)
	if data[len(data)-1] != "[DONE]" {
		t.Errorf("last event %q", data[len(data)-1])
	}
	var text string
	var tokens int
	for i, d := range data[:len(data)-1] {
		piece := decode[chatAnswer](t, []byte(d))
		if piece.Object != "chat.completion.chunk" {
			t.Fatalf("object %q", piece.Object)
		}
		if i == len(data)-2 { // usage comes in a piece of its own
			if len(piece.Choices) != 0 || piece.Usage.Total != whole.Usage.Total || !strings.Contains(d, `"choices":[]`) {
				t.Errorf("usage piece: %s", d)
			}
			continue
		}
		c := piece.Choices[0]
		if !strings.Contains(d, `"logprobs":`) {
			t.Errorf("piece %d has no logprobs key: %s", i, d)
		}
		if i == 0 && c.Delta.Role != "assistant" {
			t.Errorf("first piece: %s", d)
		}
		if last := i == len(data)-3; last != (c.Reason != nil) || last && !strings.Contains(d, `"delta":{}`) {
			t.Errorf("piece %d of %d: %s", i, len(data), d)
		}
		if c.Delta.Content != nil {
			text += *c.Delta.Content
		}
		if c.Logprobs != nil {
			tokens += len(c.Logprobs.Content)
		}
	}
	if text != *choice.Message.Content || tokens != 24 {
		t.Errorf("streamed %q and %d tokens, whole %q", text, tokens, *choice.Message.Content)
	}
}

func TestPlainCompletion(t *testing.T) {
	_, h := start(t, nil)
	const fields = `{"prompt":"once upon","max_tokens":12,"temperature":0,"logprobs":1`
	_, b, _ := post(t, h.URL+"/v1/completions", fields+`}`)
	whole := decode[completionAnswer](t, b)
	if whole.Object != "text_completion" || whole.Usage.Prompt != len("once upon") || len(whole.Choices[0].Logprobs.Tokens) != 12 {
		t.Errorf("unexpected: %s", b)
	}
	_, b, _ = post(t, h.URL+"/v1/completions", fields+`,"stream":true}`)
	data, _ := events(t, b)
	var text string
	for _, d := range data[:len(data)-1] {
		text += decode[completionAnswer](t, []byte(d)).Choices[0].Text
	}
	if text != whole.Choices[0].Text {
		t.Errorf("streamed %q, whole %q", text, whole.Choices[0].Text)
	}
	// The same prompt as token ids.
	_, b, _ = post(t, h.URL+"/v1/completions", `{"prompt":[78,79,66,68,220,84,79,78,77],"max_tokens":12,"temperature":0}`)
	if a := decode[completionAnswer](t, b); len(a.Choices) != 1 {
		t.Errorf("token ids: %s", b)
	}
}

func TestSameSeedSameAnswer(t *testing.T) {
	_, h := start(t, nil)
	ask := func(seed int) string {
		_, b, _ := post(t, h.URL+"/v1/chat/completions", fmt.Sprintf(`{"messages":[{"role":"user","content":"x"}],"temperature":1.5,"seed":%d,"max_tokens":16}`, seed))
		return *decode[chatAnswer](t, b).Choices[0].Message.Content
	}
	if a, b := ask(1), ask(1); a != b {
		t.Errorf("seed 1 gave %q and %q", a, b)
	}
	if a, b := ask(1), ask(2); a == b {
		t.Errorf("seeds 1 and 2 gave %q", a)
	}
}

func TestStopStringIsSwallowed(t *testing.T) {
	_, h := start(t, nil)
	bias := map[int]int{} // printable characters only
	for id := range testVocab {
		if id <= ' ' || id > '~' {
			bias[id] = -100
		}
	}
	printable, _ := json.Marshal(bias)
	fields := `{"prompt":"abc","max_tokens":24,"temperature":0,"logit_bias":` + string(printable)
	_, b, _ := post(t, h.URL+"/v1/completions", fields+`}`)
	text := decode[completionAnswer](t, b).Choices[0].Text
	stop, _ := json.Marshal(text[4:6])
	_, b, _ = post(t, h.URL+"/v1/completions", fields+`,"stop":["never to be seen",`+string(stop)+`]}`)
	c := decode[completionAnswer](t, b).Choices[0]
	if want := text[:strings.Index(text, text[4:6])]; c.Text != want || *c.Reason != "stop" {
		t.Errorf("got %q (%s), want %q", c.Text, *c.Reason, want)
	}
}

func TestRequestChoosesRecipe(t *testing.T) {
	_, h := start(t, nil)
	long := strings.Repeat("All work and no play. ", 60)
	_, b, _ := post(t, h.URL+"/v1/chat/completions", `{"messages":[{"role":"user","content":"`+long+`"}],"max_tokens":4,"kv":"snapkv(window=16)","keep":"10%"}`)
	p := decode[chatAnswer](t, b).Pith
	if p == nil || p.KV != "snapkv(window=16)" || p.Keep != "10%" || p.KVBytes >= p.FullBytes/2 || p.KVBytes == 0 {
		t.Errorf("pith: %+v in %s", p, b)
	}
}

func TestRefusals(t *testing.T) {
	_, h := start(t, nil)
	long := strings.Repeat("word ", testContext)
	for _, c := range []struct {
		name, body  string
		status      int
		param, code string
	}{
		{"no JSON", `{`, 400, "", ""},
		{"unknown model", `{"model":"other",` + hello + `}`, 404, "model", "model_not_found"},
		{"no messages", `{"messages":[]}`, 400, "messages", ""},
		{"message without role", `{"messages":[{"content":"x"}]}`, 400, "messages", ""},
		{"messages of another type", `{"messages":7}`, 400, "messages", ""},
		{"too long", `{"messages":[{"role":"user","content":"` + long + `"}]}`, 400, "messages", "context_length_exceeded"},
		{"too long to stream", `{"stream":true,"messages":[{"role":"user","content":"` + long + `"}]}`, 400, "messages", "context_length_exceeded"},
		{"too much to generate", `{` + hello + `,"max_tokens":5000}`, 400, "messages", "context_length_exceeded"},
		{"max_tokens 0", `{` + hello + `,"max_tokens":0}`, 400, "max_tokens", ""},
		{"n=2", `{` + hello + `,"n":2}`, 400, "n", ""},
		{"hot", `{"messages":[{"role":"user","content":"x"}],"temperature":1000}`, 400, "", ""},
		{"many stops", `{` + hello + `,"stop":[` + strings.Repeat(`"a",`, 40) + `"a"]}`, 400, "stop", ""},
		{"empty stop", `{` + hello + `,"stop":""}`, 400, "stop", ""},
		{"stop of another type", `{` + hello + `,"stop":5}`, 400, "stop", ""},
		{"bias outside the vocabulary", `{` + hello + `,"logit_bias":{"99999":1}}`, 400, "logit_bias", ""},
		{"top_logprobs alone", `{` + hello + `,"top_logprobs":2}`, 400, "top_logprobs", ""},
		{"JSON mode", `{` + hello + `,"response_format":{"type":"json_object"}}`, 400, "response_format", ""},
		{"forced tool", `{` + hello + `,"tool_choice":"required"}`, 400, "tool_choice", ""},
		{"unknown recipe", `{` + hello + `,"kv":"snap"}`, 400, "kv", ""},
		{"keep with the full cache", `{` + hello + `,"kv":"full","keep":"10%"}`, 400, "keep", ""},
		{"keeps nothing", `{` + hello + `,"kv":"snapkv","keep":"1%"}`, 400, "keep", "kv_budget_exceeded"},
		{"too little memory", `{` + hello + `,"kv_memory":4096}`, 400, "kv_memory", "kv_budget_exceeded"},
		{"no memory", `{` + hello + `,"kv_memory":"lots"}`, 400, "kv_memory", ""},
		{"deep", `{"messages":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, 400, "", ""},
		{"large", `{"messages":"` + strings.Repeat("x", 9<<20) + `"}`, 413, "", "body_too_large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, b, _ := post(t, h.URL+"/v1/chat/completions", c.body)
			e := decode[struct {
				Error struct {
					Message, Type string
					Param, Code   *string
				}
			}](t, b).Error
			text := func(s *string) string {
				if s == nil {
					return ""
				}
				return *s
			}
			if status != c.status || text(e.Param) != c.param || text(e.Code) != c.code || e.Message == "" || e.Type == "" {
				t.Errorf("status %d: %s", status, b)
			}
		})
	}
}

func TestKeyIsRequired(t *testing.T) {
	_, h := start(t, func(o *Options, _ *engine.Options) { o.APIKey = "secret" })
	for _, c := range []struct {
		path, header string
		status       int
	}{
		{"/v1/models", "", 401}, {"/v1/models", "Bearer secre", 401}, {"/v1/models", "secret", 401}, {"/v1/models", "Bearer secret", 200}, {"/health", "", 200},
	} {
		r, _ := http.NewRequest("GET", h.URL+c.path, nil)
		if c.header != "" {
			r.Header.Set("Authorization", c.header)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s with %q: %d, want %d", c.path, c.header, resp.StatusCode, c.status)
		}
	}
}

func TestForeignPagesAreRefused(t *testing.T) {
	_, h := start(t, nil)
	for _, c := range []struct {
		host, origin string
		status       int
	}{
		{"", "", 200}, {"localhost:8080", "http://localhost:3000", 200}, {"[::1]:8080", "", 200},
		{"evil.example:8080", "", 403}, {"", "https://evil.example", 403}, {"", "null", 403},
	} {
		r, _ := http.NewRequest("GET", h.URL+"/v1/models", nil)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("host %q, origin %q: %d, want %d", c.host, c.origin, resp.StatusCode, c.status)
		}
	}
}

func TestPublicAddressNeedsKey(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0"} {
		if l, err := Listen(address, ""); err == nil {
			l.Close()
			t.Errorf("%s: opened without a key", address)
		}
	}
	l, err := Listen("127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// endless asks for as much as the context holds, and never to stop.
const endless = `{"prompt":"abc","max_tokens":4000,"temperature":0,"logit_bias":{"256":-100},"stream":true}`

func TestDisconnectFreesCache(t *testing.T) {
	s, _ := start(t, nil)
	ctx, leave := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, "POST", "http://localhost/v1/completions", strings.NewReader(endless))
	w := &leaving{ResponseRecorder: httptest.NewRecorder(), leave: leave}
	s.ServeHTTP(w, r)
	if used, _, _ := s.options.Models[0].Engine.PoolUse(); used != 0 {
		t.Errorf("%d bytes held after the client left", used)
	}
	if data, _ := events(t, w.Body.Bytes()); len(data) > 1000 {
		t.Errorf("%d events after the client left", len(data))
	}
}

// leaving is a client that goes away after a few events.
type leaving struct {
	*httptest.ResponseRecorder
	leave  context.CancelFunc
	writes int
}

func (l *leaving) Write(b []byte) (int, error) {
	if l.writes++; l.writes == 5 {
		l.leave()
	}
	return l.ResponseRecorder.Write(b)
}

func TestFullQueueIsRefused(t *testing.T) {
	s, h := start(t, func(_ *Options, e *engine.Options) { e.Running, e.Waiting = 1, 1 })
	open := func() (io.Closer, *bufio.Reader) {
		resp, err := http.Post(h.URL+"/v1/completions", "application/json", strings.NewReader(endless))
		if err != nil {
			t.Error(err)
			return nil, nil
		}
		return resp.Body, bufio.NewReader(resp.Body)
	}
	first, events := open()
	defer first.Close()
	if _, err := events.ReadString('\n'); err != nil { // it decodes
		t.Fatal(err)
	}
	done := make(chan struct{})
	ctx, leave := context.WithCancel(t.Context())
	go func() { // this one waits
		defer close(done)
		r, _ := http.NewRequestWithContext(ctx, "POST", h.URL+"/v1/completions", strings.NewReader(endless))
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
		}
	}()
	e := s.options.Models[0].Engine
	for waiting := 0; waiting == 0; waiting, _ = e.Load() {
		runtime.Gosched()
	}
	status, b, header := post(t, h.URL+"/v1/completions", endless)
	if status != http.StatusTooManyRequests || header.Get("Retry-After") == "" || !bytes.Contains(b, []byte("queue_full")) {
		t.Errorf("status %d, Retry-After %q: %s", status, header.Get("Retry-After"), b)
	}
	leave()
	<-done
}

func TestKeepAliveDuringPrefill(t *testing.T) {
	_, h := start(t, func(o *Options, e *engine.Options) { o.KeepAlive, e.Chunk = time.Millisecond, 64 })
	long := strings.Repeat("x", 3000)
	_, b, _ := post(t, h.URL+"/v1/completions", `{"prompt":"`+long+`","max_tokens":2,"stream":true}`)
	data, comments := events(t, b)
	if comments == 0 || data[len(data)-1] != "[DONE]" {
		t.Errorf("%d comments, last event %q", comments, data[len(data)-1])
	}
}

func TestStopLetsRequestsFinish(t *testing.T) {
	s, err := New(Options{Models: []Model{testModel(t, "m", engine.Options{})}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	body := strings.Replace(endless, "4000", "300", 1)
	resp, err := http.Post("http://"+l.Addr().String()+"/v1/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	stop()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if data, _ := events(t, b); data[len(data)-1] != "[DONE]" {
		t.Errorf("cut off at %q", data[len(data)-1])
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestDepthSeesThroughStrings(t *testing.T) {
	for body, want := range map[string]int{`{}`: 1, `{"a":[[1]]}`: 3, `"[[[["`: 0, `["\"[",{}]`: 2, `["\\",[[`: 3} {
		if got := depth([]byte(body)); got != want {
			t.Errorf("%s: %d, want %d", body, got, want)
		}
	}
}
