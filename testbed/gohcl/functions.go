package main

import (
	"errors"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Functions that Terraform has beside the library's, as its documentation says.

func anything(name string) []function.Parameter {
	return []function.Parameter{{Name: name, Type: cty.DynamicPseudoType, AllowDynamicType: true}}
}

// alltrue and anytrue.
func folded(all bool) function.Function {
	return function.New(&function.Spec{
		Params: anything("list"),
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(given []cty.Value, _ cty.Type) (cty.Value, error) {
			for walk := given[0].ElementIterator(); walk.Next(); {
				_, each := walk.Element()
				value, err := convert.Convert(each, cty.Bool)
				if err != nil {
					return cty.NilVal, err
				}
				if value.False() == all {
					return cty.BoolVal(!all), nil
				}
			}
			return cty.BoolVal(all), nil
		},
	})
}

var starts = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "text", Type: cty.String}, {Name: "prefix", Type: cty.String},
	},
	Type: function.StaticReturnType(cty.Bool),
	Impl: func(given []cty.Value, _ cty.Type) (cty.Value, error) {
		return cty.BoolVal(strings.HasPrefix(given[0].AsString(), given[1].AsString())), nil
	},
})

// Sets of strings, with which for_each is given: a sorted list without doubles does here.
var sameAs = function.New(&function.Spec{
	Params: anything("list"),
	Type: func([]cty.Value) (cty.Type, error) {
		return cty.Set(cty.String), nil
	},
	Impl: func(given []cty.Value, kind cty.Type) (cty.Value, error) {
		return convert.Convert(given[0], kind)
	},
})

var only = function.New(&function.Spec{
	Params: anything("list"),
	Type: func(given []cty.Value) (cty.Type, error) {
		return cty.DynamicPseudoType, nil
	},
	Impl: func(given []cty.Value, _ cty.Type) (cty.Value, error) {
		items := given[0].AsValueSlice()
		switch len(items) {
		case 0:
			return cty.NullVal(cty.DynamicPseudoType), nil
		case 1:
			return items[0], nil
		}
		return cty.NilVal, errors.New("one() was given several")
	},
})

// Of what JSON brings, which has objects where Terraform has maps.
var length = function.New(&function.Spec{
	Params: anything("value"),
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(given []cty.Value, _ cty.Type) (cty.Value, error) {
		if given[0].Type().IsObjectType() {
			return cty.NumberIntVal(int64(len(given[0].Type().AttributeTypes()))), nil
		}
		return stdlib.Length(given[0])
	},
})
