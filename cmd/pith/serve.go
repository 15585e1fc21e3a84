package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pith/chat"
	"pith/engine"
	"pith/policy"
	"pith/server"
)

// serveOptions are the flags of `pith serve`.
type serveOptions struct {
	computing
	caching
	host    string
	port    int
	key     string
	pool    string
	waiting int
	running int
	verbose bool
	gate    gating
}

func newServe() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve MODEL...",
		Short: "OpenAI-compatible server",
		Long: `Serves chat completions, completions and models as OpenAI does, on this machine only unless there is an API key. --kv, --keep and
--kv-memory hold for requests that do not say otherwise in their fields kv, keep and kv_memory.

What pith certify has stored beside a model is shown at the start and where models are listed. With --certified, or a floor, recipes without a
certificate that reaches it are refused; the full cache needs none.`,
		Args:              wants("MODEL..."),
		RunE:              o.run,
		ValidArgsFunction: completeModels,
	}
	f := cmd.Flags()
	f.StringVar(&o.host, "host", "127.0.0.1", "address to listen on; one that other machines reach needs --api-key")
	f.IntVar(&o.port, "port", 8080, "port to listen on; 0 takes a free one")
	f.StringVar(&o.key, "api-key", "", "key that clients must send (default: $PITH_API_KEY)")
	f.StringVar(&o.pool, "pool-memory", "", "cap on the cache bytes of all requests of a model together (default: none)")
	f.IntVar(&o.waiting, "queue", 64, "requests that may wait; more are refused with status 429")
	f.IntVar(&o.running, "parallel", 16, "requests that may generate together")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log every request")
	o.computing.register(cmd)
	o.caching.register(cmd)
	o.gate.register(cmd)
	return cmd
}

func (o *serveOptions) run(cmd *cobra.Command, names []string) error {
	if err := errors.Join(o.parse(), o.check()); err != nil {
		return err
	}
	if o.port < 0 || o.port > 65535 || o.waiting < 1 || o.running < 1 {
		return usagef("--port takes 0 to 65535, --queue and --parallel at least 1")
	}
	if o.key == "" {
		o.key = os.Getenv("PITH_API_KEY")
	}
	o.gate.floorsGiven(cmd)
	options := o.options()
	options.Waiting, options.Running = o.waiting, o.running
	if o.pool != "" {
		bytes, err := policy.ParseBytes(o.pool)
		if err != nil {
			return &usageError{err}
		}
		options.Memory = bytes
	}
	// The port first: finding it taken after minutes of loading would be a pity.
	listener, err := server.Listen(net.JoinHostPort(o.host, fmt.Sprint(o.port)), o.key)
	if err != nil {
		return err
	}
	defer listener.Close()
	level := slog.LevelWarn
	if o.verbose {
		level = slog.LevelInfo
	}
	s := server.Options{Recipe: o.recipe, Budget: o.budget, APIKey: o.key,
		Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))}
	for _, name := range names {
		m, err := o.load(cmd, name, options)
		if err != nil {
			return err
		}
		defer m.Engine.Close()
		s.Models = append(s.Models, m)
	}
	web, err := server.New(s)
	if err != nil {
		return &usageError{err}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "listening on http://%s/v1 (%s)\n", listener.Addr(), strings.Join(modelIDs(s.Models), ", "))
	return web.Serve(cmd.Context(), listener)
}

func (o *serveOptions) load(cmd *cobra.Command, name string, options engine.Options) (server.Model, error) {
	f, err := openFile(cmd.Context(), name, pullIfMissing)
	if err != nil {
		return server.Model{}, err
	}
	e, err := newEngine(f, options, cmd.ErrOrStderr())
	if err != nil {
		return server.Model{}, err
	}
	t, err := chat.ForModel(e.File(), e.Tokenizer())
	if err != nil {
		e.Close()
		return server.Model{}, err
	}
	created := time.Now()
	if info, err := os.Stat(f.Path()); err == nil {
		created = info.ModTime()
	}
	m := server.Model{ID: modelID(name), Engine: e, Template: t, Created: created}
	if err := o.gate.attach(cmd.ErrOrStderr(), &m, &o.computing, o.recipe, o.budget); err != nil {
		e.Close()
		return server.Model{}, err
	}
	return m, nil
}

// modelID is what clients call a model: the name given, for a path the file's.
func modelID(name string) string {
	if looksLikePath(name) || isFile(name) {
		return strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	}
	return name
}

func modelIDs(models []server.Model) []string {
	ids := make([]string, len(models))
	for i, m := range models {
		ids[i] = m.ID
	}
	return ids
}
