package main

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"pith/policy"
)

// methodInfo is one line of `pith methods --json`.
type methodInfo struct {
	Name   string      `json:"name"`
	Title  string      `json:"title"`
	Parts  []string    `json:"parts"`
	Params []paramInfo `json:"params"`
	Good   string      `json:"good_at"`
	Bad    string      `json:"bad_at"`
	Paper  string      `json:"paper"`
}

type paramInfo struct {
	Name    string   `json:"name"`
	Default string   `json:"default"`
	Min     *float64 `json:"min,omitempty"`
	Max     *float64 `json:"max,omitempty"`
	Choices []string `json:"choices,omitempty"`
	Meaning string   `json:"meaning"`
}

func newMethods() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "methods [NAME]",
		Short: "Every compression method: parts, parameters, paper",
		Long:  `Lists the methods that --kv takes. Methods combine by "+", and parameters go in parentheses: snapkv(window=32,kernel=13).`,
		Args:  wants("[NAME]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			list := policy.Methods()
			if len(args) > 0 {
				m := policy.Lookup(args[0])
				if m == nil {
					return fmt.Errorf("there is no method %q", args[0])
				}
				list = []*policy.Method{m}
			}
			infos := make([]methodInfo, len(list))
			for i, m := range list {
				infos[i] = describeMethod(m)
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), infos)
			}
			if len(args) > 0 {
				return printMethod(cmd.OutOrStdout(), infos[0])
			}
			t := table{header: []string{"method", "parts", "parameters; what it is good at, and bad at; paper"}}
			for _, m := range infos {
				t.add(m.Name, strings.Join(m.Parts, ", "), paramSummary(m.Params))
				t.add("", "", "+ "+m.Good)
				t.add("", "", "- "+m.Bad)
				t.add("", "", m.Paper)
			}
			return t.plain(cmd.OutOrStdout())
		},
		ValidArgsFunction: completeMethods,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "machine-readable output")
	return cmd
}

// describeMethod derives everything shown from the registration.
func describeMethod(m *policy.Method) methodInfo {
	info := methodInfo{Name: m.Name, Title: m.Title, Good: m.Good, Bad: m.Bad, Paper: m.Paper, Params: []paramInfo{}, Parts: partsOf(m)}
	for _, p := range m.Params {
		out := paramInfo{Name: p.Name, Default: p.Default, Choices: p.Choices, Meaning: p.Meaning}
		if p.Choices == nil && p.Min != p.Max {
			out.Min, out.Max = &p.Min, &p.Max
		}
		info.Params = append(info.Params, out)
	}
	return info
}

// partsOf names the questions that a method answers with its default parameters: the fields of policy.Parts that it fills.
func partsOf(m *policy.Method) []string {
	parts := []string{}
	p, err := m.Parts()
	if err != nil {
		return parts // it has a parameter without a default
	}
	v := reflect.ValueOf(p)
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			parts = append(parts, strings.ToLower(v.Type().Field(i).Name))
		}
	}
	return parts
}

func paramSummary(params []paramInfo) string {
	words := make([]string, len(params))
	for i, p := range params {
		words[i] = p.Name
		if p.Default != "" {
			words[i] += "=" + p.Default
		}
	}
	return strings.Join(words, ",")
}

func printMethod(w io.Writer, m methodInfo) error {
	fmt.Fprintf(w, "%s (%s)\n%s\n\nparts:   %s\ngood at: %s\nbad at:  %s\n", m.Name, m.Title, m.Paper, strings.Join(m.Parts, ", "), m.Good, m.Bad)
	if len(m.Params) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := table{header: []string{"parameter", "default", "range", "meaning"}}
	for _, p := range m.Params {
		reach := strings.Join(p.Choices, ", ")
		if p.Min != nil {
			reach = fmt.Sprintf("%g to %g", *p.Min, *p.Max)
		}
		t.add(p.Name, p.Default, reach, p.Meaning)
	}
	return t.plain(w)
}

func completeMethods(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, m := range policy.Methods() {
		names = append(names, m.Name+"\t"+m.Title)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
