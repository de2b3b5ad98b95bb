{{/* Values under their current names. A value under its earlier name has precedence: whoever sets the value means it. */}}
{{- define "waflows-operator.watch" -}}
{{- $watch := deepCopy .Values.watch }}
{{- with .Values.scopedNamespaces }}
{{- $_ := set $watch "namespaces" . }}
{{- end }}
{{- with .Values.selector }}
{{- $_ := set $watch "selector" . }}
{{- end }}
{{- toYaml $watch }}
{{- end }}

{{- define "waflows-operator.metrics" -}}
{{- $metrics := deepCopy .Values.metrics }}
{{- $earlier := dict "serviceMonitor" .Values.serviceMonitor "prometheusRule" .Values.prometheusRule "dashboard" .Values.grafanaDashboard }}
{{- range $name, $values := $earlier }}
{{- with $values }}
{{- $_ := set $metrics $name (mergeOverwrite (get $metrics $name) (deepCopy .)) }}
{{- end }}
{{- end }}
{{- toYaml $metrics }}
{{- end }}

{{/* Values that are set under their earlier names, one a line, each with its current name. */}}
{{- define "waflows-operator.renamed" -}}
{{- $names := dict "scopedNamespaces" "watch.namespaces" "selector" "watch.selector" "serviceMonitor" "metrics.serviceMonitor" "prometheusRule" "metrics.prometheusRule" "grafanaDashboard" "metrics.dashboard" }}
{{- range $earlier, $current := $names }}
{{- if get $.Values $earlier }}
{{ $earlier }} is now {{ $current }}
{{- end }}
{{- end }}
{{- end }}
