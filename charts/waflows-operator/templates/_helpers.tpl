{{- define "waflows-operator.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "waflows-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := include "waflows-operator.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "waflows-operator.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{/* Name of cluster-scoped objects. Contains the namespace, because releases in several namespaces may have the same name. */}}
{{- define "waflows-operator.clusterFullname" -}}
{{- printf "%s:%s" (include "waflows-operator.namespace" .) (include "waflows-operator.fullname" .) }}
{{- end }}

{{- define "waflows-operator.metricsName" -}}
{{- printf "%s-metrics" (include "waflows-operator.fullname" . | trunc 55 | trimSuffix "-") }}
{{- end }}

{{/* Port of the probes. */}}
{{- define "waflows-operator.httpPort" -}}
{{- .Values.httpAddress | default ":8080" | regexFind "[0-9]+$" }}
{{- end }}

{{/* Name of the container's port for metrics. */}}
{{- define "waflows-operator.metricsPort" -}}
{{- empty .Values.metrics.address | ternary "http" "metrics" }}
{{- end }}

{{- define "waflows-operator.dashboardName" -}}
{{- printf "%s-dashboard" (include "waflows-operator.fullname" .) }}
{{- end }}

{{- define "waflows-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "waflows-operator.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "waflows-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "waflows-operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Labels: the chart's own, then the parameter `labels`, then `commonLabels`. If a label is set twice, the first wins. */}}
{{- define "waflows-operator.labels" -}}
{{- $labels := include "waflows-operator.selectorLabels" .root | fromYaml }}
{{- with .root }}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- $_ := set $labels "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $labels "app.kubernetes.io/managed-by" .Release.Service }}
{{- end }}
{{- merge $labels (.labels | default dict) (.root.Values.commonLabels | default dict) | toYaml }}
{{- end }}

{{/* Metadata of an object: `name`, `namespace` if given, and `labels` and `annotations` in addition to the common ones. */}}
{{- define "waflows-operator.metadata" -}}
{{- $metadata := dict "name" .name "labels" (include "waflows-operator.labels" . | fromYaml) }}
{{- with .namespace }}
{{- $_ := set $metadata "namespace" . }}
{{- end }}
{{- with merge dict (.annotations | default dict) (.root.Values.commonAnnotations | default dict) }}
{{- $_ := set $metadata "annotations" . }}
{{- end }}
{{- toYaml $metadata }}
{{- end }}

{{- define "waflows-operator.registry" -}}
{{- (.Values.global).imageRegistry | default .Values.image.registry }}
{{- end }}

{{- define "waflows-operator.image" -}}
{{- $registry := include "waflows-operator.registry" . }}
{{- with .Values.image }}
{{- $name := empty $registry | ternary .repository (printf "%s/%s" $registry .repository) }}
{{- if .digest }}
{{- printf "%s@%s" $name .digest }}
{{- else }}
{{- printf "%s:%s" $name (.tag | default $.Chart.AppVersion) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Secrets to pull images with: those of all charts, then those of this chart. Empty if there are none. */}}
{{- define "waflows-operator.imagePullSecrets" -}}
{{- $secrets := list }}
{{- range concat ((.Values.global).imagePullSecrets | default list) .Values.imagePullSecrets }}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) }}
{{- end }}
{{- with uniq $secrets }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* RBAC rules of the operator, for the ClusterRole or for the Role in each scoped namespace. */}}
{{- define "waflows-operator.rules" -}}
- apiGroups: [waflows.dev]
  resources: [flowsencryptionkeys]
  verbs: [get, list, watch]
- apiGroups: [waflows.dev]
  resources: [flowsencryptionkeys/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- if .Values.endpointProbes.enabled }}
- apiGroups: [""]
  resources: [services]
  verbs: [get]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list]
- apiGroups: [""]
  resources: [pods]
  verbs: [get]
{{- end }}
{{- end }}

{{/* Egress rules of the NetworkPolicy: the list of the values, and the pods of the watched namespaces if Flow endpoints are asked
there. Nobody knows their ports in advance. */}}
{{- define "waflows-operator.egress" -}}
{{- $egress := .Values.networkPolicy.egress }}
{{- if .Values.endpointProbes.enabled }}
{{- $namespaces := dict }}
{{- with (include "waflows-operator.watch" . | fromYaml).namespaces }}
{{- $namespaces = dict "matchExpressions" (list (dict "key" "kubernetes.io/metadata.name" "operator" "In" "values" (uniq .))) }}
{{- end }}
{{- $pods := dict "to" (list (dict "namespaceSelector" $namespaces)) "ports" (list (dict "protocol" "TCP")) }}
{{- $egress = append $egress $pods }}
{{- end }}
{{- toYaml $egress }}
{{- end }}

{{- define "waflows-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "waflows-operator.serviceAccountName" . | quote }}
  namespace: {{ include "waflows-operator.namespace" . | quote }}
{{- end }}

{{/* URL of the runbooks. Empty if neither the value nor the chart's repository is set: a relative path would be a dead link.
A published chart has its repository. */}}
{{- define "waflows-operator.runbookUrl" -}}
{{- $url := (include "waflows-operator.metrics" . | fromYaml).prometheusRule.runbookUrl }}
{{- if $url }}
{{- $url }}
{{- else }}
{{- with .Chart.Home | default (first (.Chart.Sources | default (list ""))) }}
{{- printf "%s/blob/v%s/docs/runbooks.md" (trimSuffix "/" .) $.Chart.AppVersion }}
{{- end }}
{{- end }}
{{- end }}
