{{- define "hostlens.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "hostlens.fullname" -}}
{{- $name := include "hostlens.name" . -}}
{{- $default := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{ default $default .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "hostlens.namespace" -}}
{{ default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "hostlens.serviceAccountName" -}}
{{ default (ternary (include "hostlens.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- define "hostlens.selectorLabels" -}}
app.kubernetes.io/name: {{ include "hostlens.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "hostlens.labels" -}}
{{ include "hostlens.selectorLabels" . }}
app.kubernetes.io/component: node-metrics
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- if .Values.releaseLabel }}
release: {{ .Release.Name }}
{{- end }}
{{- with .Values.commonLabels }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end }}

{{- define "hostlens.image" -}}
{{- $registry := default "" (coalesce (.Values.global).imageRegistry .Values.image.registry) -}}
{{- $name := printf "%s/%s" $registry .Values.image.repository | trimPrefix "/" -}}
{{- if .Values.image.digest -}}
{{ $name }}@{{ .Values.image.digest }}
{{- else -}}
{{ $name }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{/* Secrets as strings or as {name: …}. */}}
{{- define "hostlens.pullSecrets" -}}
{{- range . }}
- name: {{ kindIs "string" . | ternary . (dig "name" "" (kindIs "map" . | ternary . dict)) }}
{{- end }}
{{- end }}

{{/* Those of `keys` that `of` gives a value, which false and 0 are as well. */}}
{{- define "hostlens.given" -}}
{{- range $key := .keys }}
{{- $value := index (default dict $.of) $key }}
{{- if or $value (kindIs "bool" $value) (kindIs "float64" $value) (kindIs "int64" $value) }}
{{ toYaml (dict $key $value) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What a ServiceMonitor and a PodMonitor have in common: `spec`, then one endpoint. */}}
{{- define "hostlens.monitorSpec" -}}
{{- range $key := list "jobLabel" "podTargetLabels" "sampleLimit" "targetLimit" "labelLimit" "labelNameLengthLimit" "labelValueLengthLimit" "attachMetadata" }}
{{- with index $.monitor $key }}
{{ $key }}: {{ toJson . }}
{{- end }}
{{- end }}
# Protobuf first: the only one with native histograms.
scrapeProtocols: [PrometheusProto, PrometheusText0.0.4]
selector:
  matchLabels:
    {{- if .monitor.selectorOverride }}
    {{- toYaml .monitor.selectorOverride | nindent 4 }}
    {{- else }}
    {{- include "hostlens.selectorLabels" .root | nindent 4 }}
    {{- end }}
namespaceSelector:
  matchNames: [{{ include "hostlens.namespace" .root }}]
{{- end }}

{{- define "hostlens.endpoint" -}}
port: {{ .root.Values.service.portName }}
{{- $keys := list "scheme" "path" "params" "interval" "scrapeTimeout" "proxyUrl" "followRedirects" "enableHttp2" "filterRunning" "honorLabels" "honorTimestamps" }}
{{- $keys = concat $keys (list "authorization" "basicAuth" "bearerTokenFile" "bearerTokenSecret" "oauth2" "tlsConfig" "metricRelabelings") }}
{{- include "hostlens.given" (dict "of" .monitor "keys" $keys) }}
{{- $job := .monitor.jobLabel | empty | ternary (list (dict "targetLabel" "job" "replacement" "node")) list }}
{{- with concat $job (default list .monitor.relabelings) }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* `probe` as the values have it, of `path`. */}}
{{- define "hostlens.probe" -}}
{{- $http := default dict .probe.httpGet -}}
{{- $get := dict "path" .path "port" .root.Values.service.portName "scheme" (upper (default "HTTP" $http.scheme)) -}}
{{- with $http.httpHeaders }}{{ $_ := set $get "httpHeaders" . }}{{ end -}}
{{ toYaml (merge (dict "httpGet" $get) (omit .probe "httpGet")) }}
{{- end }}

{{/* A mount of the host: to be read, where nothing else is said. */}}
{{- define "hostlens.hostMount" -}}
- name: {{ .name }}
  mountPath: {{ .mountPath }}
  readOnly: {{ kindIs "bool" .readOnly | ternary .readOnly true }}
  {{- with .mountPropagation }}
  mountPropagation: {{ . }}
  {{- end }}
{{- end }}

{{- define "hostlens.sidecarMounts" -}}
{{- range .Values.sidecarVolumeMount }}
- name: {{ .name }}
  mountPath: {{ .mountPath }}
  {{- include "hostlens.given" (dict "of" . "keys" (list "readOnly")) | trim | nindent 2 }}
{{- end }}
{{- range .Values.sidecarHostVolumeMounts }}
{{ include "hostlens.hostMount" . }}
{{- end }}
{{- end }}
