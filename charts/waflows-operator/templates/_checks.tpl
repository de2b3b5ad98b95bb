{{/* Refuses values that the operator would refuse at its start and that the schema of the values cannot detect. */}}
{{- define "waflows-operator.check" -}}
{{- if and (hasPrefix "http://" .Values.graph.url) (not (has "--allow-http-graph-url" .Values.extraArgs)) }}
{{- fail (printf "graph.url %s is not https: name an https URL, since access tokens are only sent over TLS (for a test, add --allow-http-graph-url to extraArgs)" .Values.graph.url) }}
{{- end }}
{{- $level := "([^\\s,=]+=)?(off|error|warn|info|debug|trace)" }}
{{- if not (regexMatch (printf "^%s(,%s)*$" $level $level) .Values.logLevel) }}
{{- fail (printf "logLevel %q is no level (error, warn, info, debug, trace), nor a list of levels and targets such as info,kube=debug" .Values.logLevel) }}
{{- end }}
{{- $watch := include "waflows-operator.watch" . | fromYaml }}
{{- range $name := list "selector" "namespaceSelector" }}
{{- $selector := get $watch $name }}
{{- if not (include "waflows-operator.isSelector" $selector) }}
{{- fail (printf "watch.%s %q is no label selector such as team=checkout or 'shard in (a,b),!legacy'" $name $selector) }}
{{- end }}
{{- end }}
{{- if and $watch.namespaces $watch.namespaceSelector }}
{{- fail "watch.namespaces and watch.namespaceSelector: use one of them" }}
{{- end }}
{{- range $name, $address := dict "httpAddress" .Values.httpAddress "metrics.address" .Values.metrics.address }}
{{- if gt (regexFind "[0-9]+$" $address | atoi) 65535 }}
{{- fail (printf "%s %s: a port is at most 65535" $name $address) }}
{{- end }}
{{- end }}
{{- if eq (.Values.metrics.address | regexFind "[0-9]+$") (include "waflows-operator.httpPort" .) }}
{{- fail (printf "metrics.address %s has the port of the probes (httpAddress): choose another port, or none" .Values.metrics.address) }}
{{- end }}
{{- $interval := include "waflows-operator.milliseconds" .Values.defaultCheckInterval | float64 }}
{{- if or (lt $interval 60000.0) (gt $interval 2592000000.0) }}
{{- fail (printf "defaultCheckInterval %s must be between 1m and 720h (30 days)" .Values.defaultCheckInterval) }}
{{- end }}
{{- if and .Values.caBundle.configMapName .Values.caBundle.secretName }}
{{- fail "caBundle.configMapName and caBundle.secretName: use one of them" }}
{{- end }}
{{- with .Values.leaderElection }}
{{- $lease := include "waflows-operator.milliseconds" .leaseDuration | float64 }}
{{- $deadline := include "waflows-operator.milliseconds" .renewDeadline | float64 }}
{{- if or (lt $lease 1000.0) (gt $lease 31536000000.0) }}
{{- fail (printf "leaderElection.leaseDuration %s must be between 1s and 8760h" .leaseDuration) }}
{{- end }}
{{- if or (le $deadline 0.0) (gt (addf $deadline 4500.0) $lease) }}
{{- fail (printf "leaderElection.renewDeadline %s must be longer than 0s and at least 4.5s shorter than leaderElection.leaseDuration %s: a call to Meta that a leader began may take that long" .renewDeadline .leaseDuration) }}
{{- end }}
{{- end }}
{{- end }}

{{/* A duration such as 1h30m, in milliseconds. */}}
{{- define "waflows-operator.milliseconds" -}}
{{- $scale := dict "h" 3600000.0 "m" 60000.0 "s" 1000.0 "ms" 1.0 }}
{{- $sum := 0.0 }}
{{- range regexFindAll "[0-9.]+(h|ms|m|s)" . -1 }}
{{- $unit := regexFind "[a-z]+$" . }}
{{- $sum = addf $sum (mulf (trimSuffix $unit . | float64) (get $scale $unit)) }}
{{- end }}
{{- printf "%f" $sum }}
{{- end }}

{{/* Not empty if a text is a label selector. */}}
{{- define "waflows-operator.isSelector" -}}
{{- $key := "[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?" }}
{{- $value := "([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?" }}
{{- $equals := printf "%s *(=|==|!=) *%s" $key $value }}
{{- $compares := printf "%s *[<>] *-?[0-9]+" $key }}
{{- $lists := printf "%s +(in|notin) *\\( *%s *(, *%s *)*\\)" $key $value $value }}
{{- $requirement := printf "(!?%s|%s|%s|%s)" $key $equals $compares $lists }}
{{- $isList := regexMatch (printf "^ *(%s *(, *%s *)*)?$" $requirement $requirement) . }}
{{- if and $isList (not (regexMatch "\\( *\\)" .)) }}yes{{ end }}
{{- end }}
