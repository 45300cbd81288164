{{- define "athena.fullname" -}}
{{- if contains "athena" .Release.Name }}{{ .Release.Name | trunc 30 | trimSuffix "-" }}{{ else }}{{ printf "%s-athena" .Release.Name | trunc 30 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{/* Labels of everything; dict: root, part. */}}
{{- define "athena.labels" -}}
{{ include "athena.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "athena.selector" -}}
app.kubernetes.io/name: athena
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{/* An image with the registry before it that a closed network has; dict: root, image. */}}
{{- define "athena.image" -}}
{{- $registry := .root.Values.global.imageRegistry -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end }}{{ .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end }}

{{- define "athena.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "athena.redisSecret" -}}
{{ .Values.redis.existingSecret | default (printf "%s-redis" (include "athena.fullname" .)) }}
{{- end }}
