package main

import (
	"fmt"
	"slices"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The statuses that Argo CD knows; it takes any other for Unknown.
var statuses = []string{"Degraded", "Healthy", "Missing", "Progressing", "Suspended", "Unknown"}

// health assesses an object as Argo CD does with a script from its ConfigMap: a deleted object is not shown to the
// script.
func health(object *unstructured.Unstructured, script string) (Verdict, error) {
	if object.GetDeletionTimestamp() != nil {
		return Verdict{Status: "Progressing", Message: "Pending deletion"}, nil
	}
	state, err := run(object, script)
	if err != nil {
		return Verdict{}, err
	}
	defer state.Close()
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
