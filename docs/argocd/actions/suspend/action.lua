-- Stops all work on the resource. The keys stay on the numbers. A sync from Git starts the work again, unless Git says the
-- same.
obj.spec.suspend = true
return obj
