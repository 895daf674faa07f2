// Reads Terraform's language with the library that Terraform reads it with.
//
// On standard input: files to take apart ({"files": {name: text}}), or expressions to work out in
// a scope ({"expressions": {name: text}, "scope": {name: value}}). On standard output: what they
// are, as JSON. Python's side is testbed/hcl.py.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

type request struct {
	Files       map[string]string          `json:"files"`
	Expressions map[string]string          `json:"expressions"`
	Scope       map[string]json.RawMessage `json:"scope"`
}

type file struct {
	Fault     string   `json:"fault"`
	Formatted string   `json:"formatted"`
	Blocks    []*block `json:"blocks"`
}

type block struct {
	Kind       string               `json:"kind"`
	Labels     []string             `json:"labels"`
	Line       int                  `json:"line"`
	Attributes map[string]attribute `json:"attributes"`
	Blocks     []*block             `json:"blocks"`
}

type attribute struct {
	Text       string   `json:"text"`
	References []string `json:"references"`
}

type outcome struct {
	Value json.RawMessage `json:"value"`
	Fault string          `json:"fault"`
}

func main() {
	var asked request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	answer := map[string]any{"files": takeApart(asked.Files), "values": workOut(asked)}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func takeApart(texts map[string]string) map[string]file {
	files := map[string]file{}
	for name, text := range texts {
		parsed, faults := hclsyntax.ParseConfig([]byte(text), name, hcl.InitialPos)
		if faults.HasErrors() {
			files[name] = file{Fault: faults.Error()}
			continue
		}
		root := body(parsed.Body.(*hclsyntax.Body), text)
		formatted := string(hclwrite.Format([]byte(text)))
		files[name] = file{Formatted: formatted, Blocks: root.Blocks}
	}
	return files
}

func body(from *hclsyntax.Body, text string) *block {
	made := &block{Labels: []string{}, Attributes: map[string]attribute{}, Blocks: []*block{}}
	for name, each := range from.Attributes {
		reach := each.Expr.Range()
		references := []string{}
		for _, traversal := range each.Expr.Variables() {
			references = append(references, dotted(traversal))
		}
		made.Attributes[name] = attribute{text[reach.Start.Byte:reach.End.Byte], references}
	}
	for _, each := range from.Blocks {
		inner := body(each.Body, text)
		inner.Kind = each.Type
		inner.Labels = append(inner.Labels, each.Labels...)
		inner.Line = each.TypeRange.Start.Line
		made.Blocks = append(made.Blocks, inner)
	}
	return made
}

func dotted(traversal hcl.Traversal) string {
	parts := []string{}
	for _, step := range traversal {
		switch part := step.(type) {
		case hcl.TraverseRoot:
			parts = append(parts, part.Name)
		case hcl.TraverseAttr:
			parts = append(parts, part.Name)
		}
	}
	return strings.Join(parts, ".")
}

func workOut(asked request) map[string]outcome {
	scope := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: functions()}
	for name, text := range asked.Scope {
		value, err := fromJSON(text)
		if err != nil {
			fmt.Fprintln(os.Stderr, name, err)
			os.Exit(1)
		}
		scope.Variables[name] = value
	}
	values := map[string]outcome{}
	for name, text := range asked.Expressions {
		values[name] = one(text, name, scope)
	}
	return values
}

func one(text string, name string, scope *hcl.EvalContext) outcome {
	expression, faults := hclsyntax.ParseExpression([]byte(text), name, hcl.InitialPos)
	if faults.HasErrors() {
		return outcome{Fault: faults.Error()}
	}
	value, faults := expression.Value(scope)
	if faults.HasErrors() {
		return outcome{Fault: faults.Error()}
	}
	made, err := ctyjson.Marshal(value, value.Type())
	if err != nil {
		return outcome{Fault: err.Error()}
	}
	return outcome{Value: made}
}

func fromJSON(text []byte) (cty.Value, error) {
	kind, err := ctyjson.ImpliedType(text)
	if err != nil {
		return cty.NilVal, err
	}
	return ctyjson.Unmarshal(text, kind)
}

func functions() map[string]function.Function {
	return map[string]function.Function{
		"alltrue":    folded(true),
		"anytrue":    folded(false),
		"can":        tryfunc.CanFunc,
		"coalesce":   stdlib.CoalesceFunc,
		"concat":     stdlib.ConcatFunc,
		"contains":   stdlib.ContainsFunc,
		"distinct":   stdlib.DistinctFunc,
		"flatten":    stdlib.FlattenFunc,
		"format":     stdlib.FormatFunc,
		"join":       stdlib.JoinFunc,
		"jsonencode": stdlib.JSONEncodeFunc,
		"keys":       stdlib.KeysFunc,
		"length":     length,
		"lower":      stdlib.LowerFunc,
		"merge":      stdlib.MergeFunc,
		"one":        only,
		"regex":      stdlib.RegexFunc,
		"reverse":    stdlib.ReverseListFunc,
		"sort":       stdlib.SortFunc,
		"split":      stdlib.SplitFunc,
		"startswith": starts,
		"toset":      sameAs,
		"try":        tryfunc.TryFunc,
		"upper":      stdlib.UpperFunc,
		"values":     stdlib.ValuesFunc,
		"yamlencode": ctyyaml.YAMLEncodeFunc,
	}
}
