package gguf

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// Keys of split models. split.no counts from 0, names count from 1.
const (
	splitNo      = "split.no"
	splitCount   = "split.count"
	splitTensors = "split.tensors.count"
)

// partName matches the names that splitting tools give: model-00001-of-00003.gguf.
var partName = regexp.MustCompile(`^((?s:.*)-)(\d{5})-of-(\d{5})(\.gguf)$`)

// openRest opens the other parts of a split model and adds their tensors to f.
func (f *File) openRest() error {
	object := "key " + splitCount
	refuse := func(format string, args ...any) error {
		return &FormatError{f.path, object, fmt.Sprintf(format, args...)}
	}
	if f.Kind(splitCount) == Missing {
		return nil
	}
	count, ok := f.Uint(splitCount)
	if !ok {
		return refuse("kind %s, want a number of parts", f.Kind(splitCount))
	}
	if count <= 1 {
		return nil
	}
	if no, ok := f.Uint(splitNo); !ok || no != 0 {
		object = "key " + splitNo
		if !ok {
			return refuse("kind %s, want a part's number", f.Kind(splitNo))
		}
		return refuse("part %d of %d: open the first part", no+1, count)
	}
	name := partName.FindStringSubmatch(f.path)
	if name == nil || name[2] != "00001" || name[3] != fmt.Sprintf("%05d", count) {
		return refuse("first of %d parts, but its name does not end in -00001-of-%05d.gguf", count, count)
	}
	for no := uint64(1); no < count; no++ {
		path := fmt.Sprintf("%s%05d-of-%s%s", name[1], no+1, name[3], name[4])
		if err := f.openNext(path, no, count); err != nil {
			return err
		}
	}
	if f.Kind(splitTensors) != Missing {
		object = "key " + splitTensors
		if n, ok := f.Uint(splitTensors); !ok || n != uint64(len(f.tensors)) {
			return refuse("%s tensors, but the parts hold %d", strconv.FormatUint(n, 10), len(f.tensors))
		}
	}
	return nil
}

func (f *File) openNext(path string, no, count uint64) error {
	object := fmt.Sprintf("part %d of %d", no+1, count)
	p, err := openPart(path)
	if err != nil {
		if format := (*FormatError)(nil); errors.As(err, &format) {
			return err
		}
		return fmt.Errorf("gguf: %s: %s: %w", f.path, object, errors.Unwrap(err))
	}
	// From here on f owns the part: its Close closes all of them.
	f.parts = append(f.parts, p.parts...)
	f.size += p.size
	if n, ok := p.Uint(splitNo); !ok || n != no {
		return &FormatError{path, object, fmt.Sprintf("%s is %d, want %d", splitNo, n, no)}
	}
	if n, ok := p.Uint(splitCount); !ok || n != count {
		return &FormatError{path, object, fmt.Sprintf("%s is %d, want %d", splitCount, n, count)}
	}
	for _, t := range p.tensors {
		if _, twice := f.byName[t.Name]; twice {
			return &FormatError{path, "tensor " + label([]byte(t.Name)), "duplicate tensor in " + object}
		}
		f.byName[t.Name] = t
	}
	f.tensors = append(f.tensors, p.tensors...)
	if len(f.tensors) > maxTensors {
		return &FormatError{path, object, fmt.Sprintf("%d tensors so far, limit %d", len(f.tensors), maxTensors)}
	}
	return nil
}
