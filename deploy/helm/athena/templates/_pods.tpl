{{/* What all pods have in common. */}}
{{- define "athena.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .Values.podSecurity.runAsUser }}
  runAsGroup: 0
  fsGroup: {{ .Values.podSecurity.fsGroup }}
  seccompProfile: {type: RuntimeDefault}
serviceAccountName: {{ include "athena.fullname" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- include "athena.pullSecrets" . }}
{{- end }}

{{- define "athena.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Where pods go; a dict with nodeSelector and tolerations. */}}
{{- define "athena.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Spread over nodes; dict: root, part. */}}
{{- define "athena.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "athena.selector" . | nindent 8 }}
{{- end }}

{{/* Variables from a map; quoted, for a number must not become one of YAML. */}}
{{- define "athena.variables" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{/* How Redis is reached. */}}
{{- define "athena.redisVariables" -}}
{{- $external := .Values.redis.external -}}
{{- if .Values.redis.enabled }}
- name: ATHENA_REDIS_URL
  valueFrom: {secretKeyRef: {name: {{ include "athena.redisSecret" . }}, key: url}}
{{- else }}
- name: ATHENA_REDIS_URL
  valueFrom:
    secretKeyRef:
      name: {{ required "redis.enabled is false: name the Secret with the URL in redis.external.urlSecret.name" $external.urlSecret.name }}
      key: {{ $external.urlSecret.key }}
{{- with $external.sentinelPasswordSecret }}
{{- if .name }}
- name: ATHENA_SENTINEL_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
{{- end }}
{{- end }}
{{- if $external.caSecret.name }}
- name: ATHENA_REDIS_CA_FILE
  value: /etc/athena/redis/{{ $external.caSecret.key }}
{{- end }}
{{- end }}
{{- end }}

{{- define "athena.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if and (not .Values.redis.enabled) .Values.redis.external.caSecret.name }}
- {name: redis-ca, mountPath: /etc/athena/redis, readOnly: true}
{{- end }}
{{- end }}

{{- define "athena.volumes" -}}
- name: tmp
  emptyDir: {}
{{- if and (not .Values.redis.enabled) .Values.redis.external.caSecret.name }}
- name: redis-ca
  secret: {secretName: {{ .Values.redis.external.caSecret.name }}}
{{- end }}
{{- end }}
