# Sourced by the first processes of hosts: mounts the control groups below this process's own at $1, a tmpfs with one directory for each
# hierarchy of version 1, or the one hierarchy of version 2. Sets cgroup_version.
mount_cgroups() {
  local at=$1 controllers controller group options
  if ! grep -q '^[1-9][0-9]*:[a-z]' /proc/self/cgroup; then
    mount -t cgroup2 cgroup "$at"
    cgroup_version=2
    return
  fi
  cgroup_version=1
  mount -t tmpfs -o mode=755 cgroup "$at"
  while IFS=: read -r _ controllers _; do
    [ -n "$controllers" ] || continue
    group=$at/${controllers#name=}
    mkdir "$group"
    if [ "$controllers" = "${controllers#name=}" ]; then options=$controllers; else options=none,$controllers; fi
    mount -t cgroup -o "$options" cgroup "$group"
    for controller in ${controllers//,/ }; do
      [ -e "$at/${controller#name=}" ] || ln -s "${group##*/}" "$at/$controller"
    done
  done </proc/self/cgroup
}
