-- What do short model ids stand for?
SELECT alias::text, model::text FROM model_aliases WHERE alias IS NOT NULL AND model IS NOT NULL
