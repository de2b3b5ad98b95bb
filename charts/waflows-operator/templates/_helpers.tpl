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

{{/* For objects outside the release's namespace: releases of one name in several namespaces must not share them. */}}
{{- define "waflows-operator.clusterFullname" -}}
{{- printf "%s:%s" .Release.Namespace (include "waflows-operator.fullname" .) }}
{{- end }}

{{- define "waflows-operator.metricsName" -}}
{{- printf "%s-metrics" (include "waflows-operator.fullname" . | trunc 55 | trimSuffix "-") }}
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
app.kubernetes.io/name: {{ include "waflows-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "waflows-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "waflows-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "waflows-operator.image" -}}
{{- with .Values.image }}
{{- $name := .registry | empty | ternary .repository (printf "%s/%s" .registry .repository) }}
{{- if .digest }}
{{- printf "%s@%s" $name .digest }}
{{- else }}
{{- printf "%s:%s" $name (.tag | default $.Chart.AppVersion) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the operator may do where it works. */}}
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
{{- end }}

{{- define "waflows-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "waflows-operator.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
