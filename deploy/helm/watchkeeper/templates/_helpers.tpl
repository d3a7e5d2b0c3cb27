{{- define "watchkeeper.name" -}}
{{- $name := .Release.Name -}}
{{- if contains "watchkeeper" $name }}{{ $name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-watchkeeper" ($name | trunc 40 | trimSuffix "-") }}{{ end -}}
{{- end }}

{{- define "watchkeeper.selector" -}}
app.kubernetes.io/name: watchkeeper
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "watchkeeper.labels" -}}
{{ include "watchkeeper.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "watchkeeper.image" -}}
{{- $image := .Values.image -}}
{{- $name := $image.repository -}}
{{- if $image.registry }}{{ $name = printf "%s/%s" $image.registry $image.repository }}{{ end -}}
{{- if $image.digest }}{{ printf "%s@%s" $name $image.digest }}{{ else }}{{ printf "%s:%s" $name ($image.tag | default .Chart.AppVersion) }}{{ end -}}
{{- end }}

{{- define "watchkeeper.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "watchkeeper.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end -}}
{{- end }}

{{- define "watchkeeper.replicas" -}}
{{- .Values.replicas | default (ternary 1 2 (eq .Values.store.kind "sqlite")) -}}
{{- end }}

{{- define "watchkeeper.config" -}}
{{- $url := "sqlite:////var/lib/watchkeeper/watchkeeper.db" -}}
{{- if eq .Values.store.kind "postgresql" }}{{ $url = "${file:/run/secrets/database/url}" }}{{ end -}}
{{- $own := dict "store" (dict "url" $url) "web" (dict "listen" "0.0.0.0:8080") -}}
{{- /* Relative paths are relative to the configuration, whose folder is read-only. */ -}}
{{- $state := dict "notify" (dict "spool" "/var/lib/watchkeeper/watchkeeper.spool") "reports" (dict "folder" "/var/lib/watchkeeper/reports") -}}
{{- toYaml (mergeOverwrite $state (deepCopy .Values.config) $own) -}}
{{- end }}

{{- define "watchkeeper.pod" -}}
metadata:
  labels:
    {{- include "watchkeeper.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ include "watchkeeper.config" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "watchkeeper.serviceAccount" . }}
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: watchkeeper
      image: {{ include "watchkeeper.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [run]
      {{- with .Values.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: http, containerPort: 8080, protocol: TCP}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      startupProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 5
        failureThreshold: {{ div (add .Values.startupSeconds 4) 5 }}
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 15
        timeoutSeconds: 5
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 5
        timeoutSeconds: 5
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/watchkeeper, readOnly: true}
        - {name: state, mountPath: /var/lib/watchkeeper}
        - {name: tmp, mountPath: /tmp}
        {{- if .Values.store.postgresql.existingSecret }}
        - {name: database, mountPath: /run/secrets/database, readOnly: true}
        {{- end }}
        {{- if .Values.existingSecret }}
        - {name: secrets, mountPath: /run/secrets/watchkeeper, readOnly: true}
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      {{- if .Values.existingConfigSecret }}
      secret: {secretName: {{ .Values.existingConfigSecret }}}
      {{- else }}
      configMap: {name: {{ include "watchkeeper.name" . }}}
      {{- end }}
    - name: tmp
      emptyDir: {}
    {{- if eq .Values.store.kind "postgresql" }}
    - name: state
      emptyDir: {}
    {{- end }}
    {{- if .Values.store.postgresql.existingSecret }}
    - name: database
      secret:
        secretName: {{ .Values.store.postgresql.existingSecret }}
        items: [{key: {{ .Values.store.postgresql.key | quote }}, path: url}]
    {{- end }}
    {{- with .Values.existingSecret }}
    - name: secrets
      secret: {secretName: {{ . }}}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
