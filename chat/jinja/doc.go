// Package jinja renders the Jinja templates that language models travel with, byte for byte as Python's Jinja2 does with
// the options of transformers' apply_chat_template: trim_blocks, lstrip_blocks, loop controls, tojson without HTML
// escapes, raise_exception and strftime_now. The language is that of Jinja's "Template Designer Documentation" without
// inheritance and imports; a chat template is a single file.
//
// It exists because a template is code from a downloaded file that runs inside a server. Every rendering is bounded in
// steps, in bytes built and in nesting (Limits); what exceeds them is an error, never a hang, a panic or a stack that
// cannot be recovered. And types are Python's: a number does not turn into text on its own, so messages that Python would
// refuse are refused here too.
package jinja
