package server

import (
	"bytes"
	"net/http"
	"time"
)

// sse writes server-sent events (HTML Standard, section 9.2). After an error it writes nothing more.
type sse struct {
	w       http.ResponseWriter
	control *http.ResponseController
	started bool
	err     error
}

// writeTime is how long a client may take to accept one event.
const writeTime = 30 * time.Second

func (s *sse) write(b []byte) {
	if s.err != nil {
		return
	}
	if !s.started {
		s.started = true
		h := s.w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no")
		s.w.WriteHeader(http.StatusOK)
	}
	s.control.SetWriteDeadline(time.Now().Add(writeTime))
	if _, s.err = s.w.Write(b); s.err == nil {
		s.err = s.control.Flush()
	}
	s.control.SetWriteDeadline(time.Time{})
}

// send writes one event of JSON.
func (s *sse) send(v any) {
	b, err := encode(v)
	if err != nil {
		s.err = err
		return
	}
	s.write(append(append([]byte("data: "), b...), "\n\n"...))
}

// comment keeps the connection alive; clients ignore it. The text has no line ends.
func (s *sse) comment(text string) {
	var b bytes.Buffer
	b.WriteString(": " + text + "\n\n")
	s.write(b.Bytes())
}

// done is OpenAI's last event.
func (s *sse) done() { s.write([]byte("data: [DONE]\n\n")) }
