package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The statuses that Argo CD knows; it takes any other for Unknown.
var statuses = []string{"Degraded", "Healthy", "Missing", "Progressing", "Suspended", "Unknown"}

// health assesses an object as Argo CD does with a script from its ConfigMap: a deleted object is not shown to the
// script, and the script has a second and only the libraries base, package and table. (Argo CD adds the functions of os
// that tell the time, which a health script has no use for.)
func health(object *unstructured.Unstructured, script string) (Verdict, error) {
	if object.GetDeletionTimestamp() != nil {
		return Verdict{Status: "Progressing", Message: "Pending deletion"}, nil
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	libraries := map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	}
	for _, name := range []string{lua.LoadLibName, lua.BaseLibName, lua.TabLibName} {
		call := lua.P{Fn: state.NewFunction(libraries[name]), Protect: true}
		if err := state.CallByParam(call, lua.LString(name)); err != nil {
			return Verdict{}, err
		}
	}
	limit, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(limit)
	state.SetGlobal("obj", value(state, object.Object))
	if err := state.DoString(script); err != nil {
		return Verdict{}, err
	}
	return verdict(state.Get(-1))
}

func verdict(returned lua.LValue) (Verdict, error) {
	table, ok := returned.(*lua.LTable)
	if !ok {
		return Verdict{}, fmt.Errorf("the script returns a %s instead of a table", returned.Type())
	}
	status, isText := table.RawGetString("status").(lua.LString)
	message, hasMessage := table.RawGetString("message").(lua.LString)
	if !isText || !hasMessage {
		return Verdict{}, fmt.Errorf("status or message is not a string")
	}
	if !slices.Contains(statuses, string(status)) {
		return Verdict{}, fmt.Errorf("Argo CD knows no health %q", status)
	}
	return Verdict{Status: string(status), Message: string(message)}, nil
}

// value turns what JSON can hold into Lua.
func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case bool:
		return lua.LBool(from)
	case string:
		return lua.LString(from)
	case int64:
		return lua.LNumber(from)
	case float64:
		return lua.LNumber(from)
	case []any:
		list := state.CreateTable(len(from), 0)
		for _, item := range from {
			list.Append(value(state, item))
		}
		return list
	case map[string]any:
		table := state.CreateTable(0, len(from))
		for name, item := range from {
			table.RawSetString(name, value(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}
