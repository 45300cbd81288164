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

{{/* What the chart sets itself, and where: a variable that is there twice is refused by the API server. */}}
{{- define "athena.ownVariables" -}}
ATHENA_HOST: gateway.service
ATHENA_PORT: gateway.service.port
ATHENA_METRICS_HOST: monitoring.serviceMonitor
ATHENA_METRICS_PORT: monitoring.serviceMonitor
ATHENA_GRACE_S: gateway.graceS and maxExecS of abilities
ATHENA_LOAD_TIMEOUT_S: loadS of abilities
ATHENA_MAX_HELD_BYTES: gateway.maxHeldBytes
ATHENA_ON_DEMAND: scale.enabled of pools
ATHENA_PULSE_FILE: nothing, for probes need it
ATHENA_REDIS_URL: redis
ATHENA_REDIS_CA_FILE: redis.external.caSecret
ATHENA_SENTINEL_PASSWORD: redis.external.sentinelPasswordSecret
ATHENA_TLS_CERT_FILE: gateway.tls.secretName
ATHENA_TLS_KEY_FILE: gateway.tls.secretName
ATHENA_FLOWER_HOST: flower
ATHENA_FLOWER_BASIC_AUTH: flower.authSecret
{{- end }}

{{/* Variables from a map; quoted, for a number must not become one of YAML. */}}
{{- define "athena.variables" -}}
{{- $own := include "athena.ownVariables" . | fromYaml }}
{{- range $name, $value := . }}
{{- with get $own $name }}{{ fail (printf "%s is no setting of yours here: it is told by %s" $name .) }}{{ end }}
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
