-- Goes back to the old key.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["waflows.dev/abort-requested-at"] = os.date("!%Y-%m-%dT%XZ")
return obj
