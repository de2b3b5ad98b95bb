{{- define "waflows-operator.args" -}}
- run
- --graph-url={{ .Values.graph.url }}
- --graph-api-version={{ .Values.graph.apiVersion }}
- --graph-requests-per-second={{ int .Values.graph.requestsPerSecond }}
- --graph-concurrency={{ int .Values.graph.concurrency }}
{{- if not .Values.graph.tokenInspection }}
- --token-inspection=false
{{- end }}
{{- with .Values.caBundle }}
{{- if or .configMapName .secretName }}
- --graph-ca-bundle=/etc/waflows-operator/ca/{{ .key }}
{{- end }}
{{- end }}
- --concurrency={{ int .Values.concurrency }}
- --default-check-interval={{ .Values.defaultCheckInterval }}
{{- $watch := include "waflows-operator.watch" . | fromYaml }}
{{- with $watch.namespaces }}
- --namespaces={{ uniq . | join "," }}
{{- end }}
{{- with $watch.namespaceSelector }}
- {{ printf "--namespace-selector=%s" . | quote }}
{{- end }}
{{- with $watch.selector }}
- {{ printf "--selector=%s" . | quote }}
{{- end }}
{{- with .Values.endpointProbes }}
{{- if .enabled }}
- --endpoint-probes
{{- end }}
{{- with .allowedHosts }}
- {{ uniq . | join "," | printf "--endpoint-allowed-hosts=%s" | quote }}
{{- end }}
{{- if .allowPrivateAddresses }}
- --endpoint-allow-private-addresses
{{- end }}
{{- if .allowHostNetwork }}
- --endpoint-allow-host-network
{{- end }}
{{- end }}
- --leader-election
{{- with .Values.leaderElection.leaseNamespace }}
- --lease-namespace={{ . }}
{{- end }}
- --lease-name={{ include "waflows-operator.fullname" . }}
- --lease-duration={{ .Values.leaderElection.leaseDuration }}
- --renew-deadline={{ .Values.leaderElection.renewDeadline }}
{{- with .Values.httpAddress }}
- {{ printf "--http-address=%s" . | quote }}
{{- end }}
{{- with .Values.metrics.address }}
- {{ printf "--metrics-address=%s" . | quote }}
{{- end }}
- --log-format={{ .Values.logFormat }}
- {{ printf "--log-level=%s" .Values.logLevel | quote }}
{{- if .Values.metrics.authorization }}
- --metrics-authorization
{{- end }}
{{- if not .Values.metrics.perResource }}
- --metrics-per-resource=false
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "waflows-operator.env" -}}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- with .Values.proxy }}
{{- range $name, $value := dict "HTTP_PROXY" .httpProxy "HTTPS_PROXY" .httpsProxy "NO_PROXY" .noProxy }}
{{- if $value }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
