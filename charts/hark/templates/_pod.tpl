{{/* The files that a half's container sees: volumes, or their mounts. Takes {"top", "half"}. */}}
{{- define "hark.files" -}}
{{- $values := .top.Values -}}
{{- $volumes := list (dict "name" "tmp" "emptyDir" (dict)) -}}
{{- $mounts := list (dict "name" "tmp" "mountPath" "/tmp") -}}
{{- with $values.credentials.gcp.secretName -}}
{{- $volumes = append $volumes (dict "name" "gcp" "secret" (dict "secretName" .)) -}}
{{- $mounts = append $mounts (dict "name" "gcp" "mountPath" "/etc/hark/gcp" "readOnly" true) -}}
{{- end -}}
{{- $webhook := $values.sources.webhook -}}
{{- if and (eq .half "listener") $webhook.enabled -}}
{{- $callers := printf "%s-webhook" (include "hark.half" .) -}}
{{- $volumes = append $volumes (dict "name" "webhook" "configMap" (dict "name" $callers)) -}}
{{- $mounts = append $mounts (dict "name" "webhook" "mountPath" "/etc/hark/webhook" "readOnly" true) -}}
{{- with $webhook.secretsSecretName -}}
{{- $volumes = append $volumes (dict "name" "webhook-secrets" "secret" (dict "secretName" .)) -}}
{{- $mounts = append $mounts (dict "name" "webhook-secrets" "mountPath" "/etc/hark/webhook-secrets" "readOnly" true) -}}
{{- end -}}
{{- with $webhook.tls.secretName -}}
{{- $volumes = append $volumes (dict "name" "webhook-tls" "secret" (dict "secretName" .)) -}}
{{- $mounts = append $mounts (dict "name" "webhook-tls" "mountPath" "/etc/hark/webhook-tls" "readOnly" true) -}}
{{- end -}}
{{- end -}}
{{- range $name, $file := $values.filesFromSecret -}}
{{- $volumes = append $volumes (dict "name" $name "secret" (dict "secretName" $file.secret)) -}}
{{- $mounts = append $mounts (dict "name" $name "mountPath" $file.mountPath "readOnly" true) -}}
{{- end -}}
{{- toJson (dict "volumes" (concat $volumes $values.extraVolumes) "mounts" (concat $mounts $values.extraVolumeMounts)) -}}
{{- end -}}

{{/* The container's list of variables. Takes {"top", "half"}. */}}
{{- define "hark.variables" -}}
{{- $env := include "hark.env" . | fromJson -}}
{{- range $name, $field := dict "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "POD_UID" "metadata.uid" }}
- name: {{ $name }}
  valueFrom:
    fieldRef:
      fieldPath: {{ $field }}
{{- end }}
{{- range $name, $value := $env }}
{{- if ne (toString $value) "" }}
- name: {{ $name }}
  value: {{ toString $value | quote }}
{{- end }}
{{- end }}
{{- range $name, $from := .top.Values.envVarsFromSecret }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $from.secretKeyRef | quote }}
      key: {{ $from.key | quote }}
{{- end }}
{{- range $name, $from := .top.Values.envVarsFromConfigMap }}
- name: {{ $name }}
  valueFrom:
    configMapKeyRef:
      name: {{ $from.configMapKeyRef | quote }}
      key: {{ $from.key | quote }}
{{- end }}
{{- end -}}

{{/* Whole Secrets and ConfigMaps as environment. */}}
{{- define "hark.envFrom" -}}
{{- $from := list -}}
{{- range list .Values.credentials.aws.secretName .Values.credentials.azure.secretName -}}
{{- if . -}}
{{- $from = append $from (dict "secretRef" (dict "name" .)) -}}
{{- end -}}
{{- end -}}
{{- with .Values.envFrom -}}
{{- $from = concat $from . -}}
{{- end -}}
{{- toYaml $from -}}
{{- end -}}

{{/* Replicas of one half on different nodes, and in different zones, as far as there are any. */}}
{{- define "hark.spread" -}}
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "hark.selector" $ | nindent 6 }}
{{- end }}
{{- end -}}
