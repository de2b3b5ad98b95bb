-- Starts the work on the resource again.
obj.spec.suspend = nil
return obj
