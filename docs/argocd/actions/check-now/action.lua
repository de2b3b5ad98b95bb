-- Asks the operator to check every number now.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["waflows.dev/sync-requested-at"] = os.date("!%Y-%m-%dT%XZ")
return obj
