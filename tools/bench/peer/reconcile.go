package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const checkInterval = time.Hour

// Reconciler puts the key on the numbers of a resource, all at once, and writes the status that the operator would write.
type Reconciler struct {
	client.Client
	secrets  client.Reader
	graph    *Graph
	recorder events.EventRecorder
}

func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var resource FlowsEncryptionKey
	if err := r.Get(ctx, request.NamespacedName, &resource); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	status := &resource.Status
	if next := status.NextCheckTime; next != nil && status.ObservedGeneration == resource.Generation {
		if wait := time.Until(next.Time); wait > 0 {
			return ctrl.Result{RequeueAfter: wait}, nil
		}
	}
	values, observed, err := r.read(ctx, &resource)
	if err != nil {
		return ctrl.Result{}, err
	}
	publicKey, fingerprint, err := publicKeyOf(values[resource.Spec.PrivateKeySecretRef])
	if err != nil {
		return ctrl.Result{}, err
	}
	token := string(values[resource.Spec.AccessTokenSecretRef])
	numbers, err := r.rollOut(ctx, &resource, token, publicKey, fingerprint)
	if err != nil {
		return ctrl.Result{}, err
	}
	now := metav1.Now()
	next := metav1.NewTime(now.Add(checkInterval))
	short := fingerprint[:len("sha256:")+12]
	count := fmt.Sprintf("%d/%d", len(numbers), len(numbers))
	*status = Status{
		ObservedGeneration: resource.Generation, ObservedSpecDigest: digest(resource.Spec), PublicKey: publicKey,
		PublicKeyFingerprint: fingerprint, ShortFingerprint: short, PublicKeySince: &now, ObservedSecrets: observed, Valid: count,
		LastCheckTime: &now, LastSuccessfulCheckTime: &now, NextCheckTime: &next, PhoneNumbers: numbers,
		Conditions: []metav1.Condition{
			condition(&resource, now, "Ready", "AllNumbersValid", "All "+fmt.Sprint(len(numbers))+" numbers hold the key with a valid signature."),
			condition(&resource, now, "KeyLoaded", "KeyLoaded", "The public key is "+fingerprint+"."),
			condition(&resource, now, "TokenAccepted", "TokenAccepted", "Meta accepts the access token."),
		},
	}
	if err := r.Status().Update(ctx, &resource); err != nil {
		return ctrl.Result{}, err
	}
	ids := strings.Join(resource.Spec.PhoneNumberIDs, ", ")
	r.recorder.Eventf(&resource, nil, corev1.EventTypeNormal, "KeyUploaded", "Upload", "Key %s was put on phone number IDs %s.", short, ids)
	return ctrl.Result{RequeueAfter: checkInterval}, nil
}

// read reads each Secret of the resource once.
func (r *Reconciler) read(ctx context.Context, resource *FlowsEncryptionKey) (map[SecretKeyRef][]byte, []ObservedSecret, error) {
	values := map[SecretKeyRef][]byte{}
	var observed []ObservedSecret
	for _, name := range resource.secretNames() {
		var secret corev1.Secret
		if err := r.secrets.Get(ctx, client.ObjectKey{Namespace: resource.Namespace, Name: name}, &secret); err != nil {
			return nil, nil, err
		}
		observed = append(observed, ObservedSecret{Name: name, UID: string(secret.UID), ResourceVersion: secret.ResourceVersion})
		for key, value := range secret.Data {
			values[SecretKeyRef{Name: name, Key: key}] = value
		}
	}
	return values, observed, nil
}

// rollOut reads all numbers, uploads the key where it is missing, and reads back. All numbers go at the same time.
func (r *Reconciler) rollOut(ctx context.Context, resource *FlowsEncryptionKey, token, publicKey, wanted string) ([]PhoneNumber, error) {
	numbers := make([]PhoneNumber, len(resource.Spec.PhoneNumberIDs))
	failures := make([]error, len(numbers))
	var calls sync.WaitGroup
	for n, id := range resource.Spec.PhoneNumberIDs {
		calls.Go(func() { numbers[n], failures[n] = r.ensure(ctx, token, publicKey, wanted, id) })
	}
	calls.Wait()
	for _, failure := range failures {
		if failure != nil {
			return nil, failure
		}
	}
	return numbers, nil
}

func (r *Reconciler) ensure(ctx context.Context, token, publicKey, wanted, id string) (PhoneNumber, error) {
	since := metav1.Now()
	number := PhoneNumber{PhoneNumberID: id, State: "Valid", OwnedSince: &since, LastTransitionTime: &since}
	holding, err := r.graph.read(ctx, token, id)
	if err != nil {
		return number, err
	}
	if holding.fingerprint != wanted || holding.status != "VALID" {
		if err := r.graph.upload(ctx, token, id, publicKey); err != nil {
			return number, err
		}
		at := metav1.Now()
		number.LastUploadTime, number.UploadedFingerprint = &at, wanted
		if holding, err = r.graph.read(ctx, token, id); err != nil {
			return number, err
		}
	}
	if holding.fingerprint != wanted || holding.status != "VALID" {
		return number, fmt.Errorf("number %s does not show the key as VALID", id)
	}
	at := metav1.Now()
	number.LastReadTime, number.SignatureStatus, number.KeyFingerprint = &at, holding.status, holding.fingerprint
	return number, nil
}

func condition(resource *FlowsEncryptionKey, now metav1.Time, kind, reason, message string) metav1.Condition {
	return metav1.Condition{
		Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: message,
		ObservedGeneration: resource.Generation, LastTransitionTime: now,
	}
}

func digest(spec Spec) string {
	hash := fnv.New64a()
	fmt.Fprint(hash, spec.PrivateKeySecretRef, spec.AccessTokenSecretRef)
	return fmt.Sprintf("%016x", hash.Sum64())
}
