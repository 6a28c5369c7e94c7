{{- define "doorward.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "doorward.fullname" -}}
{{- $name := include "doorward.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "doorward.selector" -}}
app.kubernetes.io/name: {{ include "doorward.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "doorward.metadata" -}}
name: {{ include "doorward.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "doorward.selector" . | nindent 2 }}
  {{- with .Values.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "doorward.image" -}}
{{- $tag := "" -}}
{{- with .Values.image.digest }}{{ $tag = printf "@%s" . }}{{ else }}{{ $tag = printf ":%s" .Values.image.tag }}{{ end -}}
{{- .Values.image.repository }}{{ $tag -}}
{{- end -}}

{{- define "doorward.tlsSecret" -}}
{{- default (printf "%s-tls" (include "doorward.fullname" .)) .Values.tls.secretName -}}
{{- end -}}

{{/* The content of doorward.yaml: config, and what the chart knows of files and TLS. */}}
{{- define "doorward.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- if .Values.tls.enabled -}}
{{- $tls := dict "cert_file" "/run/doorward/tls/tls.crt" "key_file" "/run/doorward/tls/tls.key" -}}
{{- with .Values.tls.clientCAFile -}}
{{- $_ := set $tls "client_ca_file" (ternary . (printf "/run/doorward/tls/%s" .) (hasPrefix "/" .)) -}}
{{- end -}}
{{- $_ := set $config "listen" (dict "tls" $tls) -}}
{{- end -}}
{{- $paths := list -}}
{{- range $name, $_ := .Values.policy -}}
{{- if not (hasSuffix "_test.rego" $name) -}}{{- $paths = append $paths $name -}}{{- end -}}
{{- end -}}
{{- if $paths -}}
{{- $_ := set $config "policy" (merge (dict "paths" $paths) (default dict $config.policy)) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* What takes effect only at a start: a change of it must replace the pods. */}}
{{- define "doorward.restart" -}}
{{- $limits := default dict .Values.config.limits -}}
{{- $log := default dict .Values.config.log -}}
{{- $egress := list -}}
{{- range (default dict .Values.config.egress).listeners -}}{{/* config.egress.listeners */}}
{{- $egress = append $egress (list .listen (hasKey . "tls")) -}}
{{- end -}}
{{- list .Values.tls.enabled $limits.receive_bytes $limits.signatures_in_flight $limits.signatures_waiting $log.format $egress | toJson | sha256sum | trunc 16 -}}
{{- end -}}
