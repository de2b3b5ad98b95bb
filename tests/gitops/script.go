package main

import (
	"context"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// run runs a script as Argo CD does: the script has a second, the object as obj, the libraries base, package and table, and
// the functions of os that tell the time, by require. What the script returns is on top of the state's stack.
func run(object *unstructured.Unstructured, script string) (*lua.LState, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	limit, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(limit)
	if err := prepare(state, object, script); err != nil {
		state.Close()
		return nil, err
	}
	return state, nil
}

func prepare(state *lua.LState, object *unstructured.Unstructured, script string) error {
	libraries := map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
		lua.OsLibName:   lua.OpenOs,
	}
	for _, name := range []string{lua.LoadLibName, lua.BaseLibName, lua.TabLibName, lua.OsLibName} {
		call := lua.P{Fn: state.NewFunction(libraries[name]), Protect: true}
		if err := state.CallByParam(call, lua.LString(name)); err != nil {
			return err
		}
	}
	onlyTime(state)
	state.SetGlobal("obj", value(state, object.Object))
	return state.DoString(script)
}

// onlyTime takes all of os from a script but what tells the time.
func onlyTime(state *lua.LState) {
	all := state.GetGlobal(lua.OsLibName).(*lua.LTable)
	some := state.NewTable()
	for _, name := range []string{"date", "time"} {
		some.RawSetString(name, all.RawGetString(name))
	}
	state.SetGlobal(lua.OsLibName, lua.LNil)
	loaded := state.GetField(state.GetGlobal(lua.LoadLibName), "loaded").(*lua.LTable)
	loaded.RawSetString(lua.OsLibName, some)
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

// plain turns Lua into what JSON can hold. An empty table becomes an object.
func plain(from lua.LValue) any {
	switch from := from.(type) {
	case lua.LBool:
		return bool(from)
	case lua.LString:
		return string(from)
	case lua.LNumber:
		return float64(from)
	case *lua.LTable:
		if length := from.MaxN(); length > 0 {
			list := make([]any, 0, length)
			for index := 1; index <= length; index++ {
				list = append(list, plain(from.RawGetInt(index)))
			}
			return list
		}
		object := map[string]any{}
		from.ForEach(func(name, item lua.LValue) { object[name.String()] = plain(item) })
		return object
	default:
		return nil
	}
}
