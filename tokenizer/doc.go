// Package tokenizer turns text into token ids and back, from nothing but the metadata of a GGUF file.
//
// Two models are known. Byte-level BPE (tokenizer.ggml.model "gpt2") first cuts text into words with a scanner that is
// written by hand for each pre-tokenizer (tokenizer.ggml.pre), then merges pairs of symbols by rank. SentencePiece BPE
// ("llama") merges pairs of symbols by score and falls back to bytes. A model or pre-tokenizer that is not in the table of
// families is refused by its name: a wrong scanner gives text that looks right and a model that answers badly.
//
// Guarantees:
//   - Encode takes O(n log n) time for n bytes, whatever the text: long words are merged through a heap, and special
//     tokens are found in one pass.
//   - A Tokenizer does not change after New and may be used by any number of goroutines.
//   - Ids are those of llama.cpp for every string of the reference data; where its scanners approximate the published
//     pre-tokenizer (tekken, gpt-4o), the published one is followed.
//
// Pieces: token ids give bytes, not text; a character may be spread over several tokens. Stream holds such bytes back.
package tokenizer
