// Command gitops tells what two GitOps tools make of a Kubernetes object: Flux, which waits with kstatus, and Argo CD,
// which runs a Lua script.
//
//	gitops health.lua <object.yaml
//
// It prints {"kstatus": {"status": "…", "message": "…"}, "argocd": {…}}.
//
//	gitops action discovery.lua <object.yaml
//
// prints what this script makes of the object: the actions that Argo CD offers, or the changed object.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// A Verdict is a status in the words of the tool, with the sentence it shows beside it.
type Verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	if err := judge(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(arguments []string) error {
	isAction := len(arguments) == 2 && arguments[0] == "action"
	if !isAction && len(arguments) != 1 {
		return fmt.Errorf("usage: %s [action] script.lua <object.yaml", os.Args[0])
	}
	file := arguments[len(arguments)-1]
	script, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	object, err := read(os.Stdin)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	if isAction {
		state, err := run(object, string(script))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		defer state.Close()
		return json.NewEncoder(os.Stdout).Encode(plain(state.Get(-1)))
	}
	flux, err := status.Compute(object)
	if err != nil {
		return fmt.Errorf("kstatus: %w", err)
	}
	argo, err := health(object, string(script))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]Verdict{
		"kstatus": {Status: flux.Status.String(), Message: flux.Message},
		"argocd":  argo,
	})
}

func read(input io.Reader) (*unstructured.Unstructured, error) {
	text, err := io.ReadAll(input)
	if err != nil {
		return nil, err
	}
	text, err = yaml.ToJSON(text)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	return object, object.UnmarshalJSON(text)
}
