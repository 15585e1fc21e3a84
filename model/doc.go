// Package model binds the weights of a GGUF file to the tensors of its architecture and runs the forward pass, one layer
// at a time. It knows nothing of the cache: a layer hands its queries, keys and values to the caller's Attend and takes
// back what attention read.
//
// One architecture is one file: a struct that mirrors a layer of the checkpoint, a function that binds it, and a forward
// pass that reads top to bottom, composed of the shared steps in attention.go, ffn.go and experts.go:
//
//	llama (Llama 2 and 3, Mistral, SmolLM2), mixtral (arch llama with experts), qwen2, qwen3, qwen3moe,
//	gemma2, gemma3, phi3, smollm3, granite
//
// Guarantees:
//
//   - [Open] checks every key and the name, shape and type of every tensor before it prepares any. What the forward pass
//     does not understand (an architecture, a scaling of the rotation, a tensor nobody asks for) is refused by name.
//   - The result of a row depends on the row and its phase alone, never on the rows beside it, their number or the
//     number of threads.
//   - A [Workspace] holds all buffers, outside the Go heap. A step no wider than an earlier one allocates nothing.
//
// Lifecycle: Open, NewWorkspace for each goroutine that computes, Embed, Layer for l = 0..Layers-1, Logits. A Model is safe
// for concurrent use, a Workspace is not. Weights are borrowed from the mapped file, which must outlive the Model.
package model
