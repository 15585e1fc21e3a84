// Package server answers OpenAI clients over HTTP from one or more engines.
//
// Guarantees. Nothing is cut to fit: a prompt that is longer than the model's context, or whose cache cannot hold its budget, is
// refused with status 400 before a stream opens. Requests wait for their turn in the engine's queue; a client that goes away frees
// what its request held at the next step. Bodies are bounded in bytes and depth, headers in time. Without an API key only loopback
// addresses are served, and only to callers that are no foreign web page.
//
// The routes are those of the OpenAI API reference (chat completions, completions, models), with three more fields in requests: kv, keep and
// kv_memory choose the cache's recipe and budget; and one more in answers: pith carries bytes and times.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"pith/chat"
	"pith/engine"
	"pith/policy"
)

// A Model is one model to serve. The engine stays the caller's.
type Model struct {
	ID       string // as clients call it
	Engine   *engine.Engine
	Template *chat.Template
	Created  time.Time // of the file

	// Certificates is what is known of recipes on this model, shown as JSON where models are listed; nil: nothing is shown.
	Certificates any
	// Certified, if set, is asked before a request is taken whether its recipe (nil: the full cache) may be used at its budget. Its
	// error is the client's answer.
	Certified func(r *policy.Recipe, b policy.Budget) error
}

// Options of a server. Models is required; the zero value of everything else is a sensible default.
type Options struct {
	Models []Model
	Recipe *policy.Recipe // where a request names none; nil: the full cache
	Budget policy.Budget  // of Recipe
	APIKey string         // required of clients if not empty
	Log    *slog.Logger   // nil: silent

	MaxBody   int64         // bytes of a request; 0: 8 MiB
	KeepAlive time.Duration // between comments while a stream waits for its first token; 0: 5 s
	Grace     time.Duration // that running requests get when the server stops; 0: 20 s
}

// A Server is an http.Handler.
type Server struct {
	options  Options
	log      *slog.Logger
	mux      *http.ServeMux
	key      [32]byte // sha256 of the API key
	draining atomic.Bool
}

// New returns a server for at least one model with distinct names.
func New(o Options) (*Server, error) {
	if len(o.Models) == 0 {
		return nil, errors.New("server: no model to serve")
	}
	seen := map[string]bool{}
	for _, m := range o.Models {
		if seen[m.ID] {
			return nil, errors.New("server: two models are called " + m.ID)
		}
		seen[m.ID] = true
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 8 << 20
	}
	if o.KeepAlive <= 0 {
		o.KeepAlive = 5 * time.Second
	}
	if o.Grace <= 0 {
		o.Grace = 20 * time.Second
	}
	s := &Server{options: o, log: o.Log, mux: http.NewServeMux(), key: digest(o.APIKey)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.mux.HandleFunc("GET /health", s.health)
	s.mux.HandleFunc("GET /v1/models", s.listModels)
	s.mux.HandleFunc("GET /v1/models/{id...}", s.showModel)
	s.mux.HandleFunc("POST /v1/chat/completions", s.chatCompletions)
	s.mux.HandleFunc("POST /v1/completions", s.completions)
	s.mux.HandleFunc("/", s.nothingHere)
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rec := &recorder{ResponseWriter: w}
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler {
				panic(v)
			}
			s.log.Error("request failed", "path", r.URL.Path, "panic", v)
			if rec.status == 0 {
				s.refuse(rec, &problem{status: http.StatusInternalServerError, Type: "server_error", Message: "internal error"})
			}
		}
		s.log.Info("request", "method", r.Method, "path", r.URL.Path, "status", rec.status, "seconds", time.Since(start).Seconds())
	}()
	if p := s.admit(r); p != nil {
		s.refuse(rec, p)
		return
	}
	s.mux.ServeHTTP(rec, r)
}

// recorder remembers the status for the log.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Serve answers on a listener until ctx ends; running requests then get the grace period, new ones are refused. It returns nil after
// an orderly end.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	h := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.draining.Store(true)
	s.log.Info("stopping", "grace_seconds", s.options.Grace.Seconds())
	grace, done := context.WithTimeout(base, s.options.Grace)
	defer done()
	if err := h.Shutdown(grace); err != nil {
		cancel() // requests still running end at their next step
		h.Close()
	}
	return nil
}

// find returns the model that a request names; a server of one model also takes a request that names none.
func (s *Server) find(id string) (*Model, *problem) {
	if id == "" && len(s.options.Models) == 1 {
		return &s.options.Models[0], nil
	}
	for i := range s.options.Models {
		if s.options.Models[i].ID == id {
			return &s.options.Models[i], nil
		}
	}
	return nil, &problem{status: http.StatusNotFound, Type: "invalid_request_error", Param: "model", Code: "model_not_found",
		Message: "The model `" + id + "` does not exist; GET /v1/models lists those that do."}
}

// health tells whether requests are taken; liveness and load in one.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	status, word := http.StatusOK, "ok"
	if s.draining.Load() {
		status, word = http.StatusServiceUnavailable, "stopping"
	}
	waiting, running := 0, 0
	for _, m := range s.options.Models {
		q, d := m.Engine.Load()
		waiting, running = waiting+q, running+d
	}
	respond(w, status, map[string]any{"status": word, "waiting": waiting, "running": running})
}

func (s *Server) nothingHere(w http.ResponseWriter, r *http.Request) {
	s.refuse(w, &problem{status: http.StatusNotFound, Type: "invalid_request_error", Message: "Unknown request URL: " + r.Method + " " + r.URL.Path + "."})
}

type modelInfo struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	Context int    `json:"max_model_len"`

	Certificates any `json:"certificates,omitempty"`
}

func describe(m *Model) modelInfo {
	return modelInfo{ID: m.ID, Object: "model", Created: m.Created.Unix(), OwnedBy: "pith", Context: m.Engine.Config().Context, Certificates: m.Certificates}
}

func (s *Server) listModels(w http.ResponseWriter, _ *http.Request) {
	list := []modelInfo{}
	for i := range s.options.Models {
		list = append(list, describe(&s.options.Models[i]))
	}
	respond(w, http.StatusOK, map[string]any{"object": "list", "data": list})
}

func (s *Server) showModel(w http.ResponseWriter, r *http.Request) {
	m, p := s.find(r.PathValue("id"))
	if p != nil {
		s.refuse(w, p)
		return
	}
	respond(w, http.StatusOK, describe(m))
}
