{{/*
All pools of all abilities, as YAML: a list of dicts with name, part, serviceId, gpuType, ability, pool. Every other
template reads this one, so that a Deployment, its budget and its scaler agree.
*/}}
{{- define "athena.pools" -}}
{{- $root := . -}}
{{- $defaults := omit .Values.abilityDefaults "pool" -}}
{{- $names := dict -}}
{{- range $key, $given := .Values.abilities }}
{{- $ability := mergeOverwrite (deepCopy $defaults) (deepCopy ($given | default dict)) }}
{{- $serviceId := $ability.serviceId | default $key }}
{{- range $poolKey, $givenPool := required (printf "abilities.%s.pools names no pool; write pools: {cpu: {}}" $key) $ability.pools }}
{{- $pool := mergeOverwrite (deepCopy $root.Values.abilityDefaults.pool) (deepCopy ($givenPool | default dict)) }}
{{- $gpuType := $pool.gpuType | default (ternary "cpu" (upper $poolKey) (eq $poolKey "cpu")) }}
{{- $part := printf "%s-%s" $key $poolKey }}
{{- $name := printf "%s-%s" (include "athena.fullname" $root) $part }}
{{- if hasKey $names $name }}{{ fail (printf "%s is the name of two pools: rename one of them" $name) }}{{ end }}
{{- $_ := set $names $name true }}
- name: {{ $name }}
  part: {{ $part }}
  serviceId: {{ $serviceId }}
  gpuType: {{ $gpuType }}
  graceS: {{ max ($ability.maxExecS | ceil | int) 30 }}
  ability: {{- toYaml (omit $ability "pools") | nindent 4 }}
  pool: {{- toYaml $pool | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}

{{/* The abilities that a scaler owns in one pool at least, with commas. */}}
{{- define "athena.onDemand" -}}
{{- $found := dict -}}
{{- range include "athena.pools" . | fromYamlArray }}
{{- if .pool.scale.enabled }}{{ $_ := set $found .serviceId true }}{{ end }}
{{- end }}
{{- keys $found | sortAlpha | join "," -}}
{{- end }}
