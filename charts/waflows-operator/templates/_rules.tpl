{{/* The alerts of files/rules.yaml with the changes of `metrics.prometheusRule`. The parameters are `root` and `values`. */}}
{{- define "waflows-operator.rules-file" -}}
{{- $values := .values }}
{{- $file := .root.Files.Get "files/rules.yaml" | fromYaml }}
{{- $known := dict }}
{{- range $group := $file.groups }}
{{- $rules := list }}
{{- range $rule := $group.rules }}
{{- $_ := set $known $rule.alert true }}
{{- if not (has $rule.alert $values.disabledAlerts) }}
{{- $rules = append $rules (include "waflows-operator.alert" (dict "root" $.root "values" $values "rule" $rule) | fromYaml) }}
{{- end }}
{{- end }}
{{- $_ := set $group "rules" $rules }}
{{- end }}
{{- range concat $values.disabledAlerts (keys $values.alerts) }}
{{- if not (hasKey $known .) }}
{{- fail (printf "metrics.prometheusRule names the alert %s, which there is not: files/rules.yaml has the names" .) }}
{{- end }}
{{- end }}
{{- $groups := list }}
{{- range $file.groups }}
{{- if .rules }}
{{- $groups = append $groups . }}
{{- end }}
{{- end }}
{{- toYaml (dict "groups" $groups) }}
{{- end }}

{{/* One alert. */}}
{{- define "waflows-operator.alert" -}}
{{- $rule := .rule }}
{{- $own := get .values.alerts $rule.alert | default dict }}
{{- $_ := set $rule "expr" (include "waflows-operator.expr" (dict "rule" $rule "thresholds" .values.thresholds)) }}
{{- with $own.for }}
{{- $_ := set $rule "for" . }}
{{- end }}
{{- with $own.keepFiringFor | default .values.keepFiringFor }}
{{- $_ := set $rule "keep_firing_for" . }}
{{- end }}
{{- with $own.severity }}
{{- $_ := set $rule.labels "severity" . }}
{{- end }}
{{- $_ := set $rule "labels" (merge dict $rule.labels ($own.labels | default dict) .values.alertLabels) }}
{{- $url := include "waflows-operator.runbookUrl" .root }}
{{- if $url }}
{{- $_ := set $rule.annotations "runbook_url" ($rule.annotations.runbook_url | replace "docs/runbooks.md#" (printf "%s#" $url)) }}
{{- else }}
{{- $_ := unset $rule.annotations "runbook_url" }}
{{- end }}
{{- toYaml $rule }}
{{- end }}

{{/* The expression of an alert, with the threshold of the values in place of the one in files/rules.yaml. */}}
{{- define "waflows-operator.expr" -}}
{{- $expr := .rule.expr }}
{{- with .thresholds }}
{{- $limits := dict
  "WaflowsKeyOld" (list "> 365 * 86400" (printf "> %d * 86400" (int .keyAgeDays)))
  "WaflowsResourceSuspended" (list "> 7 * 86400" (printf "> %d * 86400" (int .suspendedDays)))
  "WaflowsChecksOverdue" (list "> 900)" (printf "> %d)" (int .checkOverdueSeconds)))
  "WaflowsQueueStuck" (list "> 300" (printf "> %d" (int .queueSeconds)))
  "WaflowsWatchFailing" (list "> 5" (printf "> %d" (int .watchRestarts)))
  "WaflowsGraphErrors" (list "> 0.5 *" (printf "> %v *" .graphErrorRatio)) }}
{{- with get $limits $.rule.alert }}
{{- if not (contains (first .) $expr) }}
{{- fail (printf "files/rules.yaml: the alert %s does not contain %q, which a threshold replaces" $.rule.alert (first .)) }}
{{- end }}
{{- $expr = replace (first .) (last .) $expr }}
{{- end }}
{{- end }}
{{- $expr }}
{{- end }}
