package main

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var groupVersion = schema.GroupVersion{Group: "waflows.dev", Version: "v1alpha1"}

// FlowsEncryptionKey has the fields of the definition that a rollout needs.
type FlowsEncryptionKey struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              Spec   `json:"spec"`
	Status            Status `json:"status,omitzero"`
}

type FlowsEncryptionKeyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []FlowsEncryptionKey `json:"items"`
}

type Spec struct {
	PrivateKeySecretRef  SecretKeyRef `json:"privateKeySecretRef"`
	AccessTokenSecretRef SecretKeyRef `json:"accessTokenSecretRef"`
	PhoneNumberIDs       []string     `json:"phoneNumberIds"`
}

type SecretKeyRef struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

type Status struct {
	ObservedGeneration      int64              `json:"observedGeneration,omitempty"`
	ObservedSpecDigest      string             `json:"observedSpecDigest,omitempty"`
	PublicKey               string             `json:"publicKey,omitempty"`
	PublicKeyFingerprint    string             `json:"publicKeyFingerprint,omitempty"`
	ShortFingerprint        string             `json:"shortFingerprint,omitempty"`
	PublicKeySince          *metav1.Time       `json:"publicKeySince,omitempty"`
	ObservedSecrets         []ObservedSecret   `json:"observedSecrets,omitempty"`
	Valid                   string             `json:"valid,omitempty"`
	LastCheckTime           *metav1.Time       `json:"lastCheckTime,omitempty"`
	LastSuccessfulCheckTime *metav1.Time       `json:"lastSuccessfulCheckTime,omitempty"`
	NextCheckTime           *metav1.Time       `json:"nextCheckTime,omitempty"`
	PhoneNumbers            []PhoneNumber      `json:"phoneNumbers,omitempty"`
	Conditions              []metav1.Condition `json:"conditions,omitempty"`
}

type ObservedSecret struct {
	Name            string `json:"name"`
	UID             string `json:"uid"`
	ResourceVersion string `json:"resourceVersion"`
}

type PhoneNumber struct {
	PhoneNumberID       string       `json:"phoneNumberId"`
	State               string       `json:"state"`
	SignatureStatus     string       `json:"signatureStatus,omitempty"`
	KeyFingerprint      string       `json:"keyFingerprint,omitempty"`
	OwnedSince          *metav1.Time `json:"ownedSince,omitempty"`
	LastReadTime        *metav1.Time `json:"lastReadTime,omitempty"`
	LastUploadTime      *metav1.Time `json:"lastUploadTime,omitempty"`
	UploadedFingerprint string       `json:"uploadedFingerprint,omitempty"`
	LastTransitionTime  *metav1.Time `json:"lastTransitionTime,omitempty"`
}

// DeepCopyObject shares the times, which nobody changes in place.
func (in *FlowsEncryptionKey) DeepCopyObject() runtime.Object {
	out := *in
	out.ObjectMeta = *in.ObjectMeta.DeepCopy()
	out.Spec.PhoneNumberIDs = slices.Clone(in.Spec.PhoneNumberIDs)
	out.Status.ObservedSecrets = slices.Clone(in.Status.ObservedSecrets)
	out.Status.PhoneNumbers = slices.Clone(in.Status.PhoneNumbers)
	out.Status.Conditions = slices.Clone(in.Status.Conditions)
	return &out
}

func (in *FlowsEncryptionKeyList) DeepCopyObject() runtime.Object {
	out := *in
	out.Items = make([]FlowsEncryptionKey, len(in.Items))
	for n := range in.Items {
		out.Items[n] = *in.Items[n].DeepCopyObject().(*FlowsEncryptionKey)
	}
	return &out
}

func register(scheme *runtime.Scheme) {
	scheme.AddKnownTypes(groupVersion, &FlowsEncryptionKey{}, &FlowsEncryptionKeyList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
}

// secretNames lists the Secrets of a resource in order.
func (in *FlowsEncryptionKey) secretNames() []string {
	names := map[string]struct{}{in.Spec.PrivateKeySecretRef.Name: {}, in.Spec.AccessTokenSecretRef.Name: {}}
	return slices.Sorted(maps.Keys(names))
}
