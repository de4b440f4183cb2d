mkdir mesh
put a-route.1 mesh/route.yaml
meshtcp validate mesh > "$printed"
