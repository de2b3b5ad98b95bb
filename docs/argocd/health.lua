-- Health of a FlowsEncryptionKey for Argo CD; docs/gitops.md says how to install this script.
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  if condition.status == "True" or condition.type == "Ready" then
    conditions[condition.type] = condition
  end
end

if obj.spec.suspend then
  return { status = "Suspended", message = "Work on this resource is suspended; what its status says may be old." }
end
if status.observedGeneration ~= obj.metadata.generation or conditions.Ready == nil then
  return { status = "Progressing", message = "Waiting for the operator to take up the resource." }
end
if conditions.Stalled ~= nil then
  return { status = "Degraded", message = conditions.Stalled.message }
end
if conditions.Ready.status == "True" then
  return { status = "Healthy", message = conditions.Ready.message }
end
return { status = "Progressing", message = conditions.Ready.message }
