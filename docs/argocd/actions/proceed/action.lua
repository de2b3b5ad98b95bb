-- Ends the current wait of a rotation.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["waflows.dev/proceed-requested-at"] = os.date("!%Y-%m-%dT%XZ")
return obj
