{{/* Metadata of a ServiceMonitor or PodMonitor. The parameters are `root` and `values`. */}}
{{- define "waflows-operator.monitorMetadata" -}}
{{- $namespace := .values.namespace | default (include "waflows-operator.namespace" .root) }}
{{- include "waflows-operator.metadata" (dict "root" .root "name" (include "waflows-operator.fullname" .root) "namespace" $namespace "labels" .values.additionalLabels "annotations" .values.annotations) }}
{{- end }}

{{/* Spec of a ServiceMonitor or PodMonitor without its endpoint. The parameters are `root`, `values` and `labels`, which select
its Service or pods. */}}
{{- define "waflows-operator.monitorSpec" -}}
{{- $spec := dict "selector" (dict "matchLabels" .labels) }}
{{- $namespace := include "waflows-operator.namespace" .root }}
{{- if ne (.values.namespace | default $namespace) $namespace }}
{{- $_ := set $spec "namespaceSelector" (dict "matchNames" (list $namespace)) }}
{{- end }}
{{- toYaml (merge $spec .values.specFields) }}
{{- end }}

{{/* Endpoint of a ServiceMonitor or PodMonitor. The parameters are `port` and `values`. */}}
{{- define "waflows-operator.monitorEndpoint" -}}
{{- $endpoint := dict "port" .port "path" "/metrics" }}
{{- with .values }}
{{- $_ := set $endpoint "honorLabels" .honorLabels }}
{{- range $name, $value := pick . "interval" "scrapeTimeout" "relabelings" "metricRelabelings" }}
{{- if $value }}
{{- $_ := set $endpoint $name $value }}
{{- end }}
{{- end }}
{{- $endpoint = merge $endpoint .endpointFields }}
{{- end }}
{{- toYaml $endpoint }}
{{- end }}
