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
{{- $registry := default .Values.image.registry .Values.global.imageRegistry -}}
{{- $name := printf "%s/%s" $registry .Values.image.repository -}}
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

{{/* What a ServiceMonitor and a PodMonitor have in common: `spec`, then one endpoint. */}}
{{- define "hostlens.monitorSpec" -}}
{{- range $key := list "jobLabel" "podTargetLabels" "sampleLimit" "targetLimit" "labelLimit" "labelNameLengthLimit" "labelValueLengthLimit" }}
{{- with index $.monitor $key }}
{{ $key }}: {{ toJson . }}
{{- end }}
{{- end }}
attachMetadata: {{ toJson .monitor.attachMetadata }}
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
scheme: {{ .monitor.scheme }}
{{- range $key := list "interval" "scrapeTimeout" "basicAuth" "tlsConfig" "relabelings" "metricRelabelings" }}
{{- with index $.monitor $key }}
{{ $key }}: {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}

{{/* `probe` as the values have it, of `path`. */}}
{{- define "hostlens.probe" -}}
{{- $get := dict "path" .path "port" .root.Values.service.portName "scheme" (upper .probe.httpGet.scheme) -}}
{{- with .probe.httpGet.httpHeaders }}{{ $_ := set $get "httpHeaders" . }}{{ end -}}
{{ toYaml (merge (dict "httpGet" $get) (omit .probe "httpGet")) }}
{{- end }}

{{- define "hostlens.sidecarMounts" -}}
{{- range .Values.sidecarVolumeMount }}
- {name: {{ .name }}, mountPath: {{ .mountPath }}}
{{- end }}
{{- range .Values.sidecarHostVolumeMounts }}
- {name: {{ .name }}, mountPath: {{ .mountPath }}, readOnly: {{ .readOnly | default true }}}
{{- end }}
{{- end }}
