// The peer is a lean operator with controller-runtime, for comparison: it rolls out the keys of FlowsEncryptionKeys under
// the same definition, and writes the same status. It has no canary, no rate limits, no drift repair and no ownership.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const secretIndex = "secrets"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func run() error {
	// The flags of the operator that the benchmark sets.
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	graphURL := flags.String("graph-url", "", "")
	address := flags.String("http-address", ":8081", "")
	concurrency := flags.Int("concurrency", 16, "")
	flags.Int("graph-requests-per-second", 0, "not supported: there is no limit")
	flags.Int("graph-concurrency", 0, "not supported: there is no limit")
	if len(os.Args) < 2 || os.Args[1] != "run" {
		return fmt.Errorf("usage: peer run [flags]")
	}
	if err := flags.Parse(os.Args[2:]); err != nil {
		return err
	}
	graph, err := newGraph(*graphURL, os.Getenv("WAFLOWS_GRAPH_CA_BUNDLE"))
	if err != nil {
		return err
	}
	ctrl.SetLogger(logr.Discard())
	scheme := runtime.NewScheme()
	register(scheme)
	if err := corev1.AddToScheme(scheme); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	config.QPS = -1 // no limit of requests to the API server
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                 scheme,
		HealthProbeBindAddress: *address,
		Metrics:                server.Options{BindAddress: "0"},
		Cache:                  cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
	})
	if err != nil {
		return err
	}
	if err := setUp(manager, graph, *concurrency); err != nil {
		return err
	}
	return manager.Start(ctrl.SetupSignalHandler())
}

func setUp(manager ctrl.Manager, graph *Graph, concurrency int) error {
	index := func(object client.Object) []string { return object.(*FlowsEncryptionKey).secretNames() }
	if err := manager.GetFieldIndexer().IndexField(context.Background(), &FlowsEncryptionKey{}, secretIndex, index); err != nil {
		return err
	}
	isSynced := func(request *http.Request) error {
		if !manager.GetCache().WaitForCacheSync(request.Context()) {
			return fmt.Errorf("not everything is listed")
		}
		return nil
	}
	if err := manager.AddReadyzCheck("synced", isSynced); err != nil {
		return err
	}
	reconciler := &Reconciler{
		Client:   manager.GetClient(),
		secrets:  manager.GetAPIReader(),
		graph:    graph,
		recorder: manager.GetEventRecorder("peer"),
	}
	return ctrl.NewControllerManagedBy(manager).
		For(&FlowsEncryptionKey{}).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(reconciler.referringTo)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(reconciler)
}

// referringTo lists the resources that refer to a Secret.
func (r *Reconciler) referringTo(ctx context.Context, secret client.Object) []ctrl.Request {
	var list FlowsEncryptionKeyList
	if err := r.List(ctx, &list, client.InNamespace(secret.GetNamespace()), client.MatchingFields{secretIndex: secret.GetName()}); err != nil {
		return nil
	}
	requests := make([]ctrl.Request, len(list.Items))
	for n := range list.Items {
		requests[n].NamespacedName = types.NamespacedName{Namespace: list.Items[n].Namespace, Name: list.Items[n].Name}
	}
	return requests
}
