-- Orders without an id of their own are shown by the reference that names them: the last of the three parts of their key, in which
-- `/` and `%` are encoded. Earlier versions left it out; the same events make it now. A key of another form has none.
-- What remains of a key when its end without `/` is taken off is what stands before the last part.
UPDATE orders
SET external_id = replace(
    replace(substr(key, length(rtrim(key, replace(key, '/', ''))) + 1), '%2F', '/'), '%25', '%')
WHERE external_id IS NULL AND length(key) - length(replace(key, '/', '')) = 2;
