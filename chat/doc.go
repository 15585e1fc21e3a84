// Package chat turns messages into the prompt a model was trained on, and the model's reply back into structure.
//
// A prompt is rendered by the chat template that travels with the model file (a Jinja template, see "Chat
// templating" in the Hugging Face transformers documentation) and is byte-exact with the Python renderer: one
// changed byte is a prompt the model has never seen. Templates come with downloaded files and messages come from
// the network, so both are hostile until proven otherwise: a rendering is bounded in steps, nesting and bytes,
// and every breach is an error value (see Limits).
//
// A reply is parsed as it streams: content, reasoning and tool calls come out as soon as they are certain, and no
// part of a marker is ever shown as content.
package chat
