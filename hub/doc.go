// Package hub finds model files on this machine and fetches those that are not here.
//
// Names: a path; a name of the built-in catalogue; hf.co/user/repo[:quantisation]. A fetched model lies in a folder of its
// own below the store, beside a manifest with its digest, licence and source.
//
// Guarantees. A file gets its final name only after its SHA-256 is the expected one, so a path that Resolve returns is
// never half a model. An interrupted pull leaves the part that came, with what is needed to go on from there, and
// nothing else. Two pulls of one model, in one process or in two, do not meet: the second waits and finds the first's result.
// A token goes to the hub's own host, never to where that redirects; a redirect from a public host to a private address is
// refused. Names from the network never become paths outside the store (os.Root).
//
// Nothing here prints: progress goes to a callback.
package hub
